"""A device that stays lost stops the search; the trial is no failure, and the same search goes on with it."""

from pathlib import Path

import pytest

from nas.architecture import Architecture
from nas.campaign import Assignment, Campaign
from nas.errors import DeviceLost
from nas.evaluate import Evaluation, Task
from nas.executors import inline, ray_tune
from nas.literals import yolo11
from nas.settings import SearchSettings
from nas.space import SearchSpace
from nas.study import StoredStudy
from tests.search.conftest import formula


class Unplugged:
    """An evaluator whose device is unplugged after some evaluations."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, architecture: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
        if self.left == 0:
            raise DeviceLost("ssh://pi@board was lost")
        self.left -= 1
        return formula(architecture, task, label, always_train)


def gone(architecture: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
    raise DeviceLost("ssh://pi@board was lost")


def test_the_search_stops_and_goes_on_with_the_same_trial(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    study = StoredStudy(tmp_path, settings, sizes)
    campaign = Campaign(study, space, sampler="random", seed=0, budget=9)
    with pytest.raises(DeviceLost, match=r"stopped at trial-3.*pi@board was lost.*the same command goes on"):
        inline.run(campaign, task, Unplugged(after=3))
    assert [r.status for r in study.records()][3] == "running"
    assert not any(r.status == "failed" for r in study.records())
    lost = study.records()[3].key
    study.close()

    study = StoredStudy(tmp_path, settings, sizes)
    again = Campaign(study, space, sampler="random", seed=0, budget=9)
    first = again.next()
    assert isinstance(first, Assignment) and first.architecture.key == lost
    again.finish(first, formula(first.architecture, task, first.label))
    inline.run(again, task, formula)
    records = study.records()
    assert sum(r.status == "trained" for r in records) == 9
    assert not any(r.status == "failed" for r in records)
    study.close()


def test_a_baseline_is_repeated_too(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    for evaluator in (Unplugged(after=0), formula):
        study = StoredStudy(tmp_path, settings, sizes)
        campaign = Campaign(study, space, sampler="random", seed=0, budget=1, baselines={"yolo11n": yolo11("n", 160)})
        if evaluator is formula:
            inline.run(campaign, task, evaluator)
        else:
            with pytest.raises(DeviceLost, match="stopped at yolo11n"):
                inline.run(campaign, task, evaluator)
        found = [r.status for r in study.baselines()]
        study.close()
    assert found == ["trained"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray warns of its own deprecations
def test_workers_lose_it_too(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    study = StoredStudy(tmp_path, settings, sizes)
    campaign = Campaign(study, space, sampler="random", seed=0, budget=5, parallel=3)
    with pytest.raises(DeviceLost, match="pi@board was lost"):
        ray_tune.run(campaign, task, gone, workers=2)
    assert {r.status for r in study.records()} == {"running"}
    study.close()

    study = StoredStudy(tmp_path, settings, sizes)
    assert len(study.orphans()) == len(study.records()) > 0
    study.close()
