"""Processes of this machine that screen designs, one a device, while nodes train.

They are processes, not threads, so that an interrupted search need not wait for a measurement.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection

from nas.search.evaluate import Task
from nas.search.executors.cluster.halves import Halves
from nas.search.pending_trial import PENDING, RESULT, Failure, PendingTrial, Result

_DEATHS = 3


class Screener:
    """Screens designs in a process of its own; asked for one at a time."""

    def __init__(self, task: Task, halves: Halves) -> None:
        """Start the process.

        Args:
            task: How designs are evaluated.
            halves: What screens; a function that the process can import.
        """
        self._task, self._halves = task, halves
        self._pending: PendingTrial | None = None
        self._deaths = 0
        self._start()

    @property
    def busy(self) -> bool:
        """Whether a design is being screened."""
        return self._pending is not None

    def begin(self, pending: PendingTrial) -> None:
        """Begin with a design; not while another is being screened.

        Args:
            pending: A design to evaluate.
        """
        self._pending, self._deaths = pending, 0
        self._send()

    def poll(self) -> tuple[PendingTrial, Result] | None:
        """The design that was screened and what was found; None while that goes on. Never waits."""
        if (pending := self._pending) is None or not self._pipe.poll():
            return None
        try:
            result = RESULT.validate_json(self._pipe.recv_bytes())
        except (EOFError, OSError):  # a process that dies closes its end
            self.stop()
            self._start()
            self._deaths += 1
            if self._deaths < _DEATHS:
                self._send()
                return None
            result = Failure("failed", f"the process that measures it died {_DEATHS} times (out of memory?)")
        self._pending = None
        return pending, result

    def stop(self) -> None:
        """End the process, whatever it does; its agent ends with it."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _start(self) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._task, self._halves), daemon=True)
        with _one_thread():
            self._process.start()
        theirs.close()

    def _send(self) -> None:
        assert self._pending is not None
        with suppress(OSError):  # of a process that has died, which `poll` starts again
            self._pipe.send_bytes(PENDING.dump_json(self._pending))


class Screeners:
    """One process a device: of a pool of boards each screens."""

    def __init__(self, task: Task, halves: Halves, count: int) -> None:
        """Start them.

        Args:
            task: How designs are evaluated.
            halves: What screens; a function that the processes can import.
            count: How many.
        """
        self._each = [Screener(task, halves) for _ in range(count)]

    @property
    def busy(self) -> bool:
        """Whether none is free."""
        return all(one.busy for one in self._each)

    def begin(self, pending: PendingTrial) -> None:
        """Begin with a design; not while all are busy.

        Args:
            pending: A design to evaluate.
        """
        next(one for one in self._each if not one.busy).begin(pending)

    def finished(self) -> list[tuple[PendingTrial, Result]]:
        """The designs that were screened since the last call, and what was found. Never waits."""
        return [found for one in self._each if (found := one.poll()) is not None]

    def stop(self) -> None:
        """End them, whatever they do."""
        for one in self._each:
            one.stop()


def _serve(pipe: Connection, task: Task, halves: Halves) -> None:
    """Screen what is asked for until the other end is closed, also by a kill."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends this process
    from nas.util import ultralytics_env

    ultralytics_env.prepare()
    while True:
        try:
            pending = PENDING.validate_json(pipe.recv_bytes())
            pipe.send_bytes(RESULT.dump_json(halves.screened(pending, task)))
        except (EOFError, OSError):
            return


@contextmanager
def _one_thread() -> Iterator[None]:
    """What a child inherits, as the workers of a search without a cluster have it."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
