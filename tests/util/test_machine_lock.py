"""The machine lock across real processes: exclusive, fair to measurements, freed by kill -9."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nas.errors import Busy, StorageError
from nas.util.machine_lock import MachineLock

_ACTOR = Path(__file__).with_name("machine_lock_actor.py")
_ROOT = Path(__file__).parents[2]
_PATIENCE_S = 60.0

Start = Callable[[str], "subprocess.Popen[bytes]"]


def _lines(log: Path, role: str) -> list[tuple[int, int]]:
    if not log.exists():
        return []
    found = [line.split() for line in log.read_text().splitlines()]
    return [(int(entered), int(left)) for name, entered, left in found if name == role]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the processes did not get there"
        time.sleep(0.005)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts actors in sessions of their own, and ends them."""
    actors: list[subprocess.Popen[bytes]] = []

    def run(role: str) -> "subprocess.Popen[bytes]":
        command = [
            sys.executable,
            str(_ACTOR),
            role,
            *(str(tmp_path / name) for name in ("lock", "log", "stop")),
        ]
        actor = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(_ROOT)}, start_new_session=True)
        actors.append(actor)
        return actor

    yield run
    (tmp_path / "stop").touch()
    for actor in actors:
        try:
            if actor.poll() is None:
                actor.wait(timeout=2)
        except subprocess.TimeoutExpired:
            pass
        # The session's id is the process id of its first member; its forked child may still be there.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(actor.pid, signal.SIGKILL)
        actor.wait()


def test_a_measurement_is_alone(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for role in ("train", "train", "measure", "measure"):
        start(role)
    _until(lambda: len(_lines(log, "measure")) >= 20 and len(_lines(log, "train")) >= 20)

    measured, trained = _lines(log, "measure"), _lines(log, "train")
    everything = [(entered, left, True) for entered, left in measured]
    everything += [(entered, left, False) for entered, left in trained]
    for entered, left in measured:
        inside = [other for other in everything if other[0] < left and other[1] > entered]
        assert inside == [(entered, left, True)]


def test_greedy_trainings_do_not_starve_a_measurement(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    start("train")
    start("train")
    _until(lambda: len(_lines(log, "ready")) == 2 and len(_lines(log, "train")) > 4)
    for _ in range(5):
        with MachineLock(tmp_path / "lock").measuring(timeout_s=_PATIENCE_S):
            alone_since = len(_lines(log, "train"))
            time.sleep(0.05)
            assert len(_lines(log, "train")) == alone_since
    # And they go on afterwards.
    _until(lambda: len(_lines(log, "train")) > alone_since + 4)


@pytest.mark.parametrize("role", ["hold-measuring", "hold-step"])
def test_kill_9_frees_the_lock(role: str, start: Start, tmp_path: Path) -> None:
    holder = start(role)
    _until(lambda: bool(_lines(tmp_path / "log", "held")))
    lock = MachineLock(tmp_path / "lock")
    with pytest.raises(Busy, match="did not become free"), lock.measuring(timeout_s=0.05):
        pass
    holder.kill()
    holder.wait()
    with lock.measuring(timeout_s=_PATIENCE_S):
        pass
    with lock.training():
        pass


def test_steps_share_the_room(tmp_path: Path) -> None:
    lock, together = MachineLock(tmp_path / "lock"), threading.Barrier(2, timeout=_PATIENCE_S)

    def train() -> None:
        with lock.training():
            together.wait()

    threads = [threading.Thread(target=train) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not together.broken


def test_the_error_says_who_is_in_the_way(tmp_path: Path) -> None:
    lock, entered, leave = MachineLock(tmp_path / "lock"), threading.Event(), threading.Event()

    def train() -> None:
        with lock.training():
            entered.set()
            leave.wait(_PATIENCE_S)

    thread = threading.Thread(target=train)
    thread.start()
    entered.wait(_PATIENCE_S)
    with pytest.raises(Busy, match=r"a training step has not ended within 0\.02 s"):
        lock.measuring(timeout_s=0.02).__enter__()
    leave.set()
    thread.join()


def test_reentrancy_within_a_thread(tmp_path: Path) -> None:
    lock, same = MachineLock(tmp_path / "lock"), MachineLock(tmp_path / "lock")
    with lock.measuring(), same.measuring(), same.training():
        pass
    with lock.training(), same.training(), pytest.raises(RuntimeError, match="would wait for itself"):
        same.measuring().__enter__()
    with lock.measuring(timeout_s=0.5):
        pass


def test_an_error_inside_frees_it(tmp_path: Path) -> None:
    lock = MachineLock(tmp_path / "lock")
    for enter in (lock.training, lock.measuring):
        with pytest.raises(ValueError, match="inside"), enter():
            raise ValueError("inside")
    with lock.measuring(timeout_s=0.5):
        pass


def test_it_can_be_pickled(tmp_path: Path) -> None:
    assert pickle.loads(pickle.dumps(MachineLock(tmp_path / "lock"))).path == tmp_path / "lock"


def test_the_default_is_one_for_a_user_whatever_the_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = MachineLock().path
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path))
    assert MachineLock().path == usual
    assert usual.parent.stat().st_uid == os.getuid()
    monkeypatch.setattr("nas.util.paths.LOCKS", tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: 12345678)
    with pytest.raises(StorageError, match="belongs to another user"):
        MachineLock()


def test_a_lock_file_that_cannot_be_made(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match="cannot open the lock file"),
        MachineLock(tmp_path / "no" / "lock").training(),
    ):
        pass
