"""Predictions pass over designs that miss the target by all of their interval, and random ones far below it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from nas.architecture.architecture import Architecture
from nas.errors import ModelError
from nas.latency.predictor.features import Features
from nas.latency.predictor.predictor import LEAST_SAMPLES, Prediction
from nas.search.evaluate import Task
from nas.search.executors import inline
from nas.search.latency_filter import latency_predictor
from nas.search.pending_trial import PendingTrial
from nas.search.proposals import NEAR, PASSED_OVER, Proposer
from nas.search.sampler import Sampler
from nas.search.scheduler import TrialScheduler
from nas.space.space import SearchSpace
from nas.study.evaluation import Evaluation
from nas.study.record import Record
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy


@pytest.fixture
def records(space: SearchSpace, task: Task, by_formula: Callable[..., Evaluation]) -> list[Record]:
    rng = random.Random(3)
    designs = [space.decode(space.sample(rng)) for _ in range(LEAST_SAMPLES)]
    return [
        Record(
            number, f"trial-{number}", False, "trained", design.key, {}, "random", by_formula(design, task), None, None
        )
        for number, design in enumerate(designs)
    ]


@pytest.fixture
def work_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph's work without building it: the pixels, which the formula's latency grows with."""

    def features(architecture: Architecture, classes: int) -> Features:
        from nas.latency.predictor.features import NAMES

        return Features((architecture.imgsz**2.0 * 1e3, *[0.0] * (len(NAMES) - 1)))

    monkeypatch.setattr("nas.search.latency_filter.features_of", features)


@pytest.mark.usefixtures("work_is_known")
def test_a_latency_is_foretold_with_its_interval(records: list[Record], task: Task) -> None:
    known = records[0].evaluation
    assert known is not None
    found = latency_predictor(task)(records, known.architecture)
    assert found is not None
    assert found.low_ms < found.latency_ms < found.high_ms and found.low_ms < known.latency.latency_ms < found.high_ms


def test_what_cannot_be_foretold_is_measured(
    records: list[Record], task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(architecture: Architecture, classes: int) -> Features:
        raise ModelError("cannot be exported")

    monkeypatch.setattr("nas.search.latency_filter.features_of", broken)
    design = records[0].evaluation.architecture  # type: ignore[union-attr]
    assert latency_predictor(task)(records, design) is None


@pytest.mark.usefixtures("work_is_known")
def test_too_few_measurements_foresee_nothing(records: list[Record], task: Task) -> None:
    design = records[0].evaluation.architecture  # type: ignore[union-attr]
    assert latency_predictor(task)(records[:-1], design) is None


def prediction(latency_ms: float) -> Prediction:
    return Prediction(latency_ms, 0.9 * latency_ms, 1.1 * latency_ms, 0.0)


def test_a_search_passes_over_and_then_measures_all_the_same(
    tmp_path: Path, settings: SearchSettings, sizes: dict[str, int], space: SearchSpace
) -> None:
    asked: list[str] = []

    def never(records: object, design: Architecture) -> Prediction:
        asked.append(design.key)
        return prediction(99.0)

    study = StoredStudy(tmp_path, settings, sizes)
    scheduler = TrialScheduler(
        study, Proposer(space, sampler="random", seed=0, target_ms=study.target_ms, predict=never), budget=2
    )
    assignment = scheduler.ask()
    assert isinstance(assignment, PendingTrial)
    assert len(asked) == len(set(asked)) == PASSED_OVER
    assert assignment.architecture.key not in asked
    assert [record.status for record in study.records()] == ["running"]
    study.close()


@pytest.mark.parametrize(("sampler", "passed_over"), [("gp", True), ("random", False)])
def test_beside_a_sampler_random_draws_are_near_the_target(
    sampler: Sampler,
    passed_over: bool,
    tmp_path: Path,
    settings: SearchSettings,
    sizes: dict[str, int],
    space: SearchSpace,
) -> None:
    asked: list[str] = []

    def fast_at_first(records: object, design: Architecture) -> Prediction:
        asked.append(design.key)
        return prediction(settings.limits.target_ms * NEAR * (0.8 if len(asked) == 1 else 1.1))

    study = StoredStudy(tmp_path, settings, sizes)
    assignment = TrialScheduler(
        study, Proposer(space, sampler=sampler, seed=0, target_ms=study.target_ms, predict=fast_at_first), budget=2
    ).ask()
    assert isinstance(assignment, PendingTrial)
    assert assignment.architecture.key == asked[1 if passed_over else 0] == asked[-1]
    study.close()


@pytest.mark.slow
def test_a_search_measures_what_it_passed_over_before_it_gives_up(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    by_formula: Callable[..., Evaluation],
) -> None:
    few = ("imgsz", "activation")
    small = replace(
        space,
        dimensions=tuple(d if d.name in few else replace(d, choices=d.choices[:1]) for d in space.dimensions),
    )
    sizes = {d.name: len(d.choices) for d in small.dimensions}
    study = StoredStudy(tmp_path, settings, sizes)

    def never(records: Sequence[Record], design: Architecture) -> Prediction:
        return Prediction(9.0, 8.0, 10.0, 0.0)

    scheduler = TrialScheduler(
        study, Proposer(small, sampler="random", seed=0, target_ms=study.target_ms, predict=never), budget=100
    )
    inline.run(scheduler, task, by_formula)
    measured = {r.key for r in study.records()}
    study.close()
    assert scheduler.ended == "exhausted"
    assert len(measured) == small.size
