"""One rule a machine: no training step runs while a latency is measured.

A readers-writer lock in which writers come first. A training holds it shared for every batch (`training()`); a
measurement holds it alone (`measuring()`): it waits until the batches in progress have ended and keeps new ones out.
A waiting measurement comes before waiting batches, so greedy trainings cannot starve it.

Two files, locked with flock(2): the *lock* itself, and a *gate*, which a measurement holds from the moment it starts to
wait, and which a batch holds for a moment before it takes the lock.
The kernel frees the locks of a process that dies, kill -9 included. The files lie at one place for all processes of a
user, whatever their cache folders: searches, `ghostnas latency` and agents that came through ssh.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from nas.errors import Busy, StorageError
from nas.util.paths import lock_dir

_POLL_S = 0.001


class _Held(threading.local):
    """What the current thread holds, by lock path."""

    def __init__(self) -> None:
        self.by_path: dict[Path, Literal["training", "measuring"]] = {}


_held = _Held()
_open_files: set[int] = set()


def _forget_in_child() -> None:
    # A forked child (a data loader's worker, say) shares its parent's locks. Closing its copies keeps it from
    # holding them beyond the parent's death; the parent's own locks stay.
    for descriptor in _open_files:
        os.close(descriptor)
    _open_files.clear()
    _held.by_path.clear()


os.register_at_fork(after_in_child=_forget_in_child)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise StorageError(f"cannot open the lock file {path}: {error.strerror or error}") from error
    _open_files.add(descriptor)
    owner = os.getpid()
    try:
        yield descriptor
    finally:
        if os.getpid() == owner:
            # Unlock by name: closing alone would leave the lock with a child that was forked meanwhile.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            _open_files.discard(descriptor)
            os.close(descriptor)


class MachineLock:
    """Keeps training steps and latency measurements of one machine apart, across processes and threads.

    Holds nothing but a path, so it can be pickled, sent to a Ray worker and carried through a fork.

    Reentrancy, within one thread: a `training()` inside a `training()` or inside a `measuring()`, and a `measuring()`
    inside a `measuring()`, pass straight through. A `measuring()` inside a `training()` could only wait for
    itself and raises `RuntimeError`.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Make a lock.

        Args:
            path: The lock file; the gate lies beside it as `<name>.gate`. By default the machine's one for this user.

        Raises:
            StorageError: The folder of locks cannot be used.
        """
        self.path = Path(path) if path is not None else lock_dir() / "machine"

    @property
    def _gate(self) -> Path:
        return self.path.with_name(self.path.name + ".gate")

    @contextmanager
    def training(self) -> Iterator[None]:
        """Hold the lock shared, for one batch; waits while a measurement runs or waits."""
        if self.path in _held.by_path:
            yield
            return
        with _opened(self.path) as lock:
            with _opened(self._gate) as gate:
                fcntl.flock(gate, fcntl.LOCK_SH)
                # Never waits here: whoever holds the lock exclusively holds the gate too.
                fcntl.flock(lock, fcntl.LOCK_SH)
            _held.by_path[self.path] = "training"
            try:
                yield
            finally:
                _held.by_path.pop(self.path, None)

    @contextmanager
    def measuring(self, timeout_s: float = 120.0) -> Iterator[None]:
        """Hold the lock alone, for one measurement; waits until every batch in progress has ended.

        Args:
            timeout_s: The longest wait.

        Raises:
            Busy: The machine did not become free in time.
            RuntimeError: Called inside a `training()` of the same thread.
        """
        held = _held.by_path.get(self.path)
        if held == "training":
            raise RuntimeError("MachineLock.measuring() inside MachineLock.training() would wait for itself")
        if held == "measuring":
            yield
            return
        deadline = time.monotonic() + timeout_s
        with _opened(self._gate) as gate, _opened(self.path) as lock:
            self._wait(gate, deadline, f"another latency measurement has not ended within {timeout_s:g} s")
            self._wait(lock, deadline, f"a training step has not ended within {timeout_s:g} s")
            _held.by_path[self.path] = "measuring"
            try:
                yield
            finally:
                _held.by_path.pop(self.path, None)

    def _wait(self, descriptor: int, deadline: float, why: str) -> None:
        # flock(2) has no timeout, so ask again and again. The gate is held for microseconds by each batch
        # that enters, and the lock cannot be taken while this process holds the gate: the first free moment
        # is enough.
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Busy(
                        f"the machine did not become free for a latency measurement: {why} "
                        f"(lock file {self.path}); stop the other work, or measure later"
                    ) from None
                time.sleep(_POLL_S)
