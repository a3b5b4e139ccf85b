"""A watchdog: ends this process where Ray never answers again.

A call into Ray may wait without end after one of Ray's own processes died or stopped, inside C++ that no exception
reaches. A study loses nothing when its process is killed, so the process ends as by a kill, but with a line.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Self

from nas.util.worker_messages import post

TIMEOUT_S = 120.0
"""Longer than Ray itself waits for its server (60 s), and than a machine under load takes for a step."""

LOOK_EVERY_S = 3.0

_SHOWN_S = 3.0
"""How long whoever shows the posted lines gets for the last one."""

EXIT_CODE = 2


def _exit() -> None:
    time.sleep(_SHOWN_S)
    os._exit(EXIT_CODE)


class Watchdog:
    """Looks from a thread whether a loop still makes steps."""

    def __init__(
        self,
        folder: Path,
        steps: Callable[[], int],
        working: Callable[[], bool],
        *,
        timeout_s: float | None = None,
        end: Callable[[], None] = _exit,
    ) -> None:
        """Watch a loop.

        Args:
            folder: The results folder, in which the last line is posted.
            steps: How many steps it has made.
            working: Whether it is at work of ghostnas' own, which may take its time.
            timeout_s: A step of Ray's takes less; None for `TIMEOUT_S`.
            end: Ends the process.
        """
        self._folder, self._steps, self._working = folder, steps, working
        self._timeout_s, self._end = TIMEOUT_S if timeout_s is None else timeout_s, end
        self._seen, self._waited_s = -1, 0.0
        self._over = Event()
        self._thread = Thread(target=self._watch, name="watchdog", daemon=True)

    def look(self) -> bool:
        """Look, `LOOK_EVERY_S` after the last time; whether the loop hangs.

        Looks are counted, not seconds: this process may have been stopped, or its machine asleep.
        """
        steps = self._steps()
        if steps != self._seen or self._working():
            self._seen, self._waited_s = steps, 0.0
            return False
        self._waited_s += LOOK_EVERY_S
        return self._waited_s >= self._timeout_s

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            if self.look():
                post(
                    self._folder,
                    f"the search ends: Ray, which runs the workers, has not answered for {self._timeout_s:g} s; what "
                    "is finished is kept, and the same command goes on",
                )
                self._end()
                return
