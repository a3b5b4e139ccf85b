"""Predictions pass over designs that are predicted to miss a limit, and random ones far below all of them."""

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
from nas.search.sampler import Proposal, Sampler
from nas.search.scheduler import TrialScheduler
from nas.search.size_share import no_size_limit, size_share
from nas.space.space import SearchSpace
from nas.study.evaluation import Evaluation
from nas.study.limits import Limits
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
        study, Proposer(space, sampler="random", seed=0, limits=study.limits, predict=never), budget=2
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
        study, Proposer(space, sampler=sampler, seed=0, limits=study.limits, predict=fast_at_first), budget=2
    ).ask()
    assert isinstance(assignment, PendingTrial)
    assert assignment.architecture.key == asked[1 if passed_over else 0] == asked[-1]
    study.close()


@pytest.mark.parametrize(
    ("shares", "chosen"),
    [
        ((0.9,), 0),
        ((1.4, 0.7, 0.86), 2),  # too slow, too fast
        ((1.4, 0.7, 1.1, *[2.0] * 12), 2),  # none is near: the nearest of so many
        ((None,), 0),
    ],
)
def test_of_the_most_promising_the_first_near_the_limit_is_proposed(
    shares: tuple[float | None, ...], chosen: int, space: SearchSpace, settings: SearchSettings
) -> None:
    rng, asked = random.Random(0), list[str]()
    points = [space.sample(rng) for _ in range(30)]
    target_ms = settings.limits.target_ms

    def predict(records: object, design: Architecture) -> Prediction | None:
        asked.append(design.key)
        share = shares[len(asked) - 1]
        return None if share is None else prediction(share * target_ms)

    proposer = Proposer(space, sampler="gp", seed=0, limits=settings.limits, predict=predict)
    found = proposer._nearest(Proposal(points[0], "expected-improvement", tuple(points[1:])), [])
    assert (found.indices, found.next_best) == (points[chosen], ())
    assert len(asked) == min(len(shares), PASSED_OVER + 1)


@pytest.mark.parametrize(
    ("latency", "used", "proposed"),
    [
        (0.5, (0.5, 0.9), 1),  # far below every limit, then near the one on size
        (0.5, (0.9,), 0),
        (0.95, (0.5,), 0),
        (0.95, (1.2, 0.5), 1),  # it misses the limit on size
    ],
)
def test_random_draws_are_near_the_limit_that_binds_first(
    latency: float,
    used: tuple[float, ...],
    proposed: int,
    tmp_path: Path,
    settings: SearchSettings,
    sizes: dict[str, int],
    space: SearchSpace,
) -> None:
    asked: list[str] = []

    def size_used(design: Architecture) -> float:
        asked.append(design.key)
        return used[len(asked) - 1]

    proposer = Proposer(
        space,
        sampler="gp",
        seed=0,
        limits=settings.limits,
        predict=lambda records, design: prediction(latency * settings.limits.target_ms),
        size_used=size_used,
    )
    study = StoredStudy(tmp_path, settings, sizes)
    assignment = TrialScheduler(study, proposer, budget=2).ask()
    assert isinstance(assignment, PendingTrial)
    assert assignment.architecture.key == asked[proposed] == asked[-1]
    study.close()


def test_a_limit_on_size_is_used_by_what_is_counted(space: SearchSpace, task: Task) -> None:
    design = space.smallest()[0]
    params, gflops = 164_179, 0.0101  # of six classes, about
    for limits in (Limits(9.0, max_params=params), Limits(9.0, max_gflops=gflops), Limits(9.0, max_bytes=4 * params)):
        assert size_share(replace(task, limits=limits))(design) == pytest.approx(1, rel=0.1)
    both = replace(task, limits=Limits(9.0, max_params=10 * params, max_gflops=2 * gflops))
    assert size_share(both)(design) == pytest.approx(0.5, rel=0.1)
    assert size_share(replace(task, limits=Limits(9.0))) is no_size_limit


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
        study, Proposer(small, sampler="random", seed=0, limits=study.limits, predict=never), budget=100
    )
    inline.run(scheduler, task, by_formula)
    measured = {r.key for r in study.records()}
    study.close()
    assert scheduler.ended == "exhausted"
    assert len(measured) == small.size
