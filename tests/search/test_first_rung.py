"""Proxies that rank nothing are lengthened before the first candidate, once for all, whatever kills the search."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nas.architecture.architecture import Architecture
from nas.proxy import Score
from nas.search.effort import Rung
from nas.search.evaluate import Task
from nas.search.executors import inline
from nas.search.first_rung import NO_SIGNAL
from nas.search.pending_trial import Promotion
from nas.search.proposals import Proposer
from nas.search.scheduler import TrialScheduler
from nas.space.space import SearchSpace, load_space
from nas.study.evaluation import Evaluation
from nas.study.rungs import RungScore
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy
from tests.search.conftest import formula
from tests.search.test_rungs import BASELINES, Killed

RUNGS = (Rung(400, 1),)  # proxies have 10 steps, then 30, 90 or 270


@pytest.fixture
def space() -> SearchSpace:
    return load_space("narrowed-n").with_imgsz([64, 96, 128])


@pytest.fixture
def study(tmp_path: Path, settings: SearchSettings, space: SearchSpace) -> StoredStudy:
    return StoredStudy(tmp_path, settings, {dimension.name: len(dimension.choices) for dimension in space.dimensions})


class Proxies:
    """Scores by table: by steps, how high any design gets; the asked steps are noted by label."""

    def __init__(self, highest: Callable[[int], float], killed_after: int | None = None) -> None:
        self.highest, self.killed_after = highest, killed_after
        self.asked: list[tuple[str, int]] = []

    def __call__(self, architecture: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
        if self.killed_after == len(self.asked):
            raise Killed
        self.asked.append((label, task.proxy.steps))
        found = formula(architecture, task, label, always_train)
        return replace(found, score=None if found.score is None else Score(self.highest(task.proxy.steps), 0.5))


def searched(
    study: StoredStudy, space: SearchSpace, task: Task, proxies: Proxies, rungs: tuple[Rung, ...] = RUNGS
) -> list[str]:
    told: list[str] = []
    task = replace(task, proxy=task.proxy.with_steps(10))
    proposer = Proposer(space, sampler="random", seed=0, limits=study.limits)
    scheduler = TrialScheduler(study, proposer, budget=2, baselines=BASELINES, rungs=rungs, notice=told.append)

    def promoted(design: Architecture, task: Task, label: str, promotion: Promotion, baseline: bool) -> RungScore:
        return RungScore(Score(0.5, 0.6), promotion.steps, 1.0, 0.01)

    inline.run(scheduler, task, proxies, promoted=promoted)
    assert scheduler.ended == "budget"
    return told


@pytest.mark.parametrize(
    ("highest", "lengths", "rungs"),
    [
        (lambda steps: 0.1, [10], RUNGS),
        (lambda steps: NO_SIGNAL, [10], RUNGS),
        (lambda steps: 0.001 * steps, [10, 30, 90], RUNGS),  # .01, .03, .09
        (lambda steps: 0.0, [10, 30, 90, 270], RUNGS),  # the next would be no shorter than the rung above
        (lambda steps: 0.0, [10, 30], (Rung(90, 1),)),
        (lambda steps: 0.0, [10], ()),  # --steps alone is what it says
    ],
)
def test_proxies_are_lengthened_until_the_baselines_say_something(
    study: StoredStudy,
    space: SearchSpace,
    task: Task,
    highest: Callable[[int], float],
    lengths: list[int],
    rungs: tuple[Rung, ...],
) -> None:
    proxies = Proxies(highest)
    told = searched(study, space, task, proxies, rungs)
    baselines = [one for one in proxies.asked if one[0] in BASELINES]
    assert baselines == [(label, steps) for steps in lengths for label in BASELINES]
    assert {steps for label, steps in proxies.asked if label not in BASELINES} == {lengths[-1]}
    assert study.proxy_steps == lengths[-1] and len(told) == len(lengths) - 1
    assert [f"proxies train for {steps} steps" in text for steps, text in zip(lengths[1:], told, strict=True)] == [
        True
    ] * len(told)
    assert len(study.trained_baselines()) == len(BASELINES)
    study.close()


def test_a_baseline_that_misses_the_target_says_nothing_of_candidates(
    study: StoredStudy, space: SearchSpace, task: Task
) -> None:
    class LargeAlone(Proxies):
        def __call__(self, architecture: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
            found = super().__call__(architecture, task, label, always_train)
            learnt = found.score is not None and not found.violations and task.proxy.steps < 90
            return replace(found, score=Score(0.01, 0.02)) if learnt else found

    proxies = LargeAlone(lambda steps: 0.1)
    assert len(searched(study, space, task, proxies)) == 2 and study.proxy_steps == 90
    study.close()


def test_a_kill_repeats_no_baseline_of_the_right_length(study: StoredStudy, space: SearchSpace, task: Task) -> None:
    asked: list[tuple[str, int]] = []
    while True:
        proxies = Proxies(lambda steps: 0.001 * steps, killed_after=1)
        try:
            searched(study, space, task, proxies)
        except Killed:
            asked += proxies.asked
            continue
        asked += proxies.asked
        break
    trained = [one for one in asked if one[0] in BASELINES]
    assert trained == [(label, steps) for steps in (10, 30, 90) for label in BASELINES]
    assert study.attribute("first_rung")["steps"] == 90
    study.close()
