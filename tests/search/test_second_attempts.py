"""What is tried once more: a trial that met a disturbed device or a full memory, which is not its design's fault."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nas.architecture.architecture import Architecture
from nas.errors import OutOfMemory, ProxyError, Unmeasurable
from nas.search.evaluate import Task
from nas.search.executors import inline
from nas.search.pending_trial import Failure, PendingTrial
from nas.search.proposals import Proposer
from nas.search.scheduler import FAILURES_IN_A_ROW, TrialScheduler
from nas.space.reference_designs import yolo11
from nas.space.space import SearchSpace
from nas.study.evaluation import Evaluation
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy

Evaluate = Callable[..., Evaluation]


@pytest.mark.parametrize("error", [Unmeasurable, OutOfMemory])
def test_a_disturbed_device_or_a_full_memory_does_not_cost_a_candidate(
    error: type[Exception],
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Evaluate,
) -> None:
    asked: list[str] = []

    def disturbed(architecture: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
        asked.append(architecture.key)
        if architecture.key == asked[0] or len(asked) == 4:
            raise error("unmeasurable: for now")
        return by_formula(architecture, task, label, always_train)

    study = StoredStudy(tmp_path, settings, sizes)
    inline.run(
        TrialScheduler(study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=4),
        task,
        disturbed,
    )
    records = study.records()
    assert asked[0] == asked[1] and asked[3] == asked[4]
    assert [r.status for r in records if r.key == asked[0]] == ["interrupted", "failed"]
    assert records[1].reason == "unmeasurable: for now"
    assert [r.status for r in records if r.key == asked[3]] in (["interrupted", "trained"], ["interrupted", "rejected"])
    assert sum(r.status == "trained" for r in records) == 4
    study.close()


def test_a_baseline_that_could_not_be_measured_is_tried_once_more(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Evaluate,
) -> None:
    disturbed = ["small", "small", "middle"]

    def evaluate(architecture: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
        if label in disturbed:
            disturbed.remove(label)
            raise Unmeasurable("unmeasurable: for now")
        return by_formula(architecture, task, label, always_train)

    study = StoredStudy(tmp_path, settings, sizes)
    proposer = Proposer(space, sampler="random", seed=0, limits=study.limits)
    known = {"small": yolo11("n", 96, 0.25), "middle": yolo11("n", 96, 0.5)}
    inline.run(TrialScheduler(study, proposer, budget=1, baselines=known), task, evaluate)
    assert {one.label: one.status for one in study.baselines()} == {"small": "failed", "middle": "trained"}
    study.close()


def test_trainings_that_memory_is_too_full_for_all_at_once_do_not_stop_a_search(
    tmp_path: Path, space: SearchSpace, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    study = StoredStudy(tmp_path, settings, sizes)
    proposer = Proposer(space, sampler="random", seed=0, limits=study.limits)
    scheduler = TrialScheduler(study, proposer, budget=9, parallel=FAILURES_IN_A_ROW)
    for attempt in ("first", "second"):
        begun = [scheduler.ask() for _ in range(FAILURES_IN_A_ROW)]
        for pending in begun[:-1] if attempt == "second" else begun:
            assert isinstance(pending, PendingTrial)
            scheduler.tell(pending, Failure("no memory", "out of memory"))
    assert [r.status for r in study.records()].count("failed") == FAILURES_IN_A_ROW - 1
    with pytest.raises(ProxyError, match="5 trials failed in a row"):
        scheduler.tell(begun[-1], Failure("no memory", "out of memory"))  # type: ignore[arg-type]
    study.close()


def test_a_device_that_stays_disturbed_stops_a_search(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    def disturbed(*_: object) -> Evaluation:
        raise Unmeasurable("unmeasurable: for now")

    study = StoredStudy(tmp_path, settings, sizes)
    with pytest.raises(ProxyError, match=r"5 trials failed in a row, the last with: unmeasurable: for now"):
        inline.run(
            TrialScheduler(study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=9),
            task,
            disturbed,
        )
    study.close()
