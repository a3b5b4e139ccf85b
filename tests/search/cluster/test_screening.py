"""A process that screens: one design after the other, and another process where one dies."""

import os
import signal
import time
from pathlib import Path

import pytest

from nas.architecture.architecture import Architecture
from nas.errors import LatencyError
from nas.search.evaluate import Task
from nas.search.executors.cluster.halves import Halves
from nas.search.executors.cluster.screening import Screener
from nas.search.pending_trial import Failure, PendingTrial, Result
from nas.space.reference_designs import yolo11
from nas.study.evaluation import Evaluation
from tests.search.conftest import formula

PENDING = PendingTrial(3, "trial-3", yolo11("n", 96))


def screen(architecture: Architecture, task: Task, label: str) -> Evaluation:
    """By formula; leaves its process's number, and dies or fails where a file of the search says so."""
    deaths = sorted(task.folder.glob("death-*"))
    with (task.folder / "pids").open("a") as file:
        file.write(f"{os.getpid()}\n")
    if deaths:
        deaths[0].unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if (task.folder / "fails").exists():
        raise LatencyError("no agent")
    return formula(architecture, task, label)


def waited(screener: Screener) -> tuple[PendingTrial, Result]:
    deadline = time.monotonic() + 120
    while (found := screener.poll()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.fixture
def screener(task: Task) -> Screener:
    screener = Screener(task, Halves(screen=screen))
    yield screener
    screener.stop()


def test_designs_are_screened_in_one_other_process(screener: Screener, tmp_path: Path) -> None:
    assert screener.poll() is None and not screener.busy
    for _ in range(2):
        screener.begin(PENDING)
        assert screener.busy
        pending, result = waited(screener)
        assert pending == PENDING and isinstance(result, Evaluation) and result.architecture == PENDING.architecture
        assert not screener.busy
    (tmp_path / "fails").touch()
    screener.begin(PENDING)
    assert waited(screener)[1] == Failure("failed", "LatencyError: no agent")
    (pid,) = set((tmp_path / "pids").read_text().split())
    assert pid != str(os.getpid())


@pytest.mark.slow
def test_a_process_that_died_while_it_was_idle_is_started_again(screener: Screener) -> None:
    screener._process.kill()
    screener._process.join()
    screener.begin(PENDING)
    assert isinstance(waited(screener)[1], Evaluation)


@pytest.mark.slow
def test_a_design_is_screened_again_where_the_process_dies_but_not_without_end(
    screener: Screener, tmp_path: Path
) -> None:
    (tmp_path / "death-1").touch()
    screener.begin(PENDING)
    assert isinstance(waited(screener)[1], Evaluation)
    assert len(set((tmp_path / "pids").read_text().split())) == 2
    for number in range(3):
        (tmp_path / f"death-{number}").touch()
    screener.begin(PENDING)
    result = waited(screener)[1]
    assert isinstance(result, Failure) and "died 3 times" in result.reason and result.kind == "failed"
    screener.begin(PENDING)
    assert isinstance(waited(screener)[1], Evaluation)
