"""What a worker has to say while it waits: a line in a file of the search's folder, shown by whoever runs the search.

Workers are processes without a terminal of their own; a device may be away for half an hour, and the user must see why
nothing happens.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

_FILE = "waiting.txt"


def post(folder: Path, text: str) -> None:
    """Say one line, from any process; where that cannot be written, the work goes on without it."""
    with suppress(OSError), (folder / _FILE).open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(" ".join(text.split()) + "\n")  # one short write to the end: lines of two processes do not mix


def posted(folder: Path) -> list[str]:
    """The lines that were posted in a folder.

    Args:
        folder: The search's folder, or a worker's own.
    """
    path = folder / _FILE
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@contextmanager
def follow(folder: Path, show: Callable[[str], None], every_s: float = 1.0) -> Iterator[None]:
    """Pass on each line that is posted during the block, within `every_s` seconds, and at last what is left.

    Args:
        folder: The search's folder.
        show: Called with a line, from a thread.
        every_s: How often to look.
    """
    path, ended = folder / _FILE, Event()
    path.unlink(missing_ok=True)  # of a run that was killed

    def follow() -> None:
        seen = 0
        while True:
            last = ended.wait(every_s)
            lines = posted(folder)
            for line in lines[seen:]:
                show(line)
            seen = len(lines)
            if last:
                return

    thread = Thread(target=follow, name="notices", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        path.unlink(missing_ok=True)
