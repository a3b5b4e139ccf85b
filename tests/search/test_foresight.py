"""Predictions pass over designs that miss the target by all of their interval, and nothing else."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nas.architecture import Architecture
from nas.campaign import Assignment, Campaign
from nas.errors import ModelError
from nas.evaluate import Evaluation, Limits, Task
from nas.foresight import foresee
from nas.latency.features import Features
from nas.latency.predictor import LEAST_SAMPLES
from nas.settings import SearchSettings
from nas.space import SearchSpace
from nas.study import Record, StoredStudy


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
        from nas.latency.features import NAMES

        return Features((architecture.imgsz**2.0 * 1e3, *[0.0] * (len(NAMES) - 1)))

    monkeypatch.setattr("nas.foresight.features_of", features)


@pytest.mark.usefixtures("work_is_known")
def test_only_what_all_of_the_interval_misses_is_passed_over(
    records: list[Record], space: SearchSpace, task: Task
) -> None:
    design = records[0].evaluation.architecture  # type: ignore[union-attr]
    hopeless = replace(task, limits=Limits(0.001))
    easy = replace(task, limits=Limits(1000.0))
    assert (foresee(hopeless)(records, design) or 0.0) > 0.001
    assert foresee(easy)(records, design) is None


def test_what_cannot_be_foretold_is_measured(
    records: list[Record], task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(architecture: Architecture, classes: int) -> Features:
        raise ModelError("cannot be exported")

    monkeypatch.setattr("nas.foresight.features_of", broken)
    design = records[0].evaluation.architecture  # type: ignore[union-attr]
    assert foresee(replace(task, limits=Limits(0.001)))(records, design) is None


@pytest.mark.usefixtures("work_is_known")
def test_too_few_measurements_foresee_nothing(records: list[Record], task: Task) -> None:
    design = records[0].evaluation.architecture  # type: ignore[union-attr]
    assert foresee(replace(task, limits=Limits(0.001)))(records[:-1], design) is None


def test_a_campaign_passes_over_and_then_measures_all_the_same(
    tmp_path: Path, settings: SearchSettings, sizes: dict[str, int], space: SearchSpace
) -> None:
    asked: list[str] = []

    def never(records: object, design: Architecture) -> float:
        asked.append(design.key)
        return 99.0

    study = StoredStudy(tmp_path, settings, sizes)
    campaign = Campaign(study, space, sampler="random", seed=0, budget=2, foresee=never)
    assignment = campaign.next()
    assert isinstance(assignment, Assignment)
    assert len(asked) == len(set(asked)) == 3
    assert assignment.architecture.key not in asked
    assert [record.status for record in study.records()] == ["running"]
    study.close()
