"""Wall seconds of work that may be broken off and taken up again, `kill -9` included."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.util.atomic_files import write_whole

_BEAT_S = 2.0


class Clock:
    """Counts the seconds of all parts of one piece of work; a part that is killed counts up to its last beat."""

    def __init__(self, path: Path) -> None:
        """Go on from what a file says.

        Args:
            path: A JSON file; it need not be there yet.
        """
        self._path = path
        self._before = float(json.loads(path.read_text())["seconds"]) if path.is_file() else 0.0
        self._began: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self._before + (0.0 if self._began is None else time.monotonic() - self._began)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what is done inside."""
        self._began, ended = time.monotonic(), threading.Event()

        def beat() -> None:
            while not ended.wait(_BEAT_S):
                self._keep()

        beating = threading.Thread(target=beat, daemon=True)
        beating.start()
        try:
            yield
        finally:
            ended.set()
            beating.join()
            self._keep()
            self._before, self._began = self.seconds, None

    def _keep(self) -> None:
        write_whole(self._path, json.dumps({"seconds": round(self.seconds, 2)}).encode())
