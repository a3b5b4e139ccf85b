"""What whole searches by formula propose: near the target, for the front, and near designs that are known."""

import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nas.search.evaluate import Task
from nas.search.executors import inline
from nas.search.proposals import Proposer
from nas.search.sampler import FRONT_EVERY, RANDOM_EVERY, Observation
from nas.search.scheduler import TrialScheduler
from nas.space.reference_designs import yolo11
from nas.space.space import SearchSpace
from nas.study.evaluation import Evaluation
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy


@pytest.mark.slow
def test_the_sampler_looks_for_accuracy_below_the_target_and_now_and_then_for_the_front(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Callable[..., Evaluation],
) -> None:
    study = StoredStudy(tmp_path, settings, sizes)
    inline.run(
        TrialScheduler(study, Proposer(space, sampler="tpe", seed=0, limits=study.limits), budget=50),
        task,
        by_formula,
    )
    near, front = [], []
    started = min(record.number for record in study.records() if record.origin == "tpe")
    drawn = [record.number for record in study.records() if record.origin == "random" and record.number > started]
    for record in study.records():
        if record.origin == "tpe" and record.evaluation is not None:
            aim = front if record.number % FRONT_EVERY == FRONT_EVERY - 1 else near
            aim.append(record.evaluation.latency.latency_ms)
    study.close()
    assert len(near) >= 2 * len(front) > 10
    assert len(drawn) > 5 and all(number % RANDOM_EVERY == 1 for number in drawn)
    assert min(near) > 0.5 * 2.5 and 0.75 * 2.5 < statistics.median(near) <= 2.5
    assert min(front) < min(near)


def test_a_baseline_that_breaks_another_limit_is_no_feasible_one_for_the_sampler(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Callable[..., Evaluation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = StoredStudy(tmp_path, settings, sizes)
    few = replace(task, limits=replace(task.limits, max_params=999))
    seen: list[Observation] = []

    def proposed(space: SearchSpace, history: list[Observation], *_: object, **__: object) -> None:
        seen.extend(history)

    monkeypatch.setattr("nas.search.proposals.propose", proposed)
    scheduler = TrialScheduler(
        study,
        Proposer(space, sampler="gp", seed=0, limits=study.limits),
        budget=2,
        baselines={"yolo11n": yolo11("n", 96)},
    )
    inline.run(scheduler, few, by_formula)
    study.close()
    (baseline,) = seen
    assert baseline.latency_ms < 2.5 and baseline.accuracy is not None
    assert not baseline.meets


def test_candidates_begin_near_the_designs_that_are_known_to_be_good(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Callable[..., Evaluation],
) -> None:
    study = StoredStudy(tmp_path, settings, sizes)
    near = [yolo11("n", 96, 0.5)]
    inline.run(
        TrialScheduler(study, Proposer(space, sampler="gp", seed=0, limits=study.limits, near=near), budget=3),
        task,
        by_formula,
    )
    assert {record.origin for record in study.records()} == {"mutation"}
    study.close()
