"""A lost device and a full disk stop the search; the trial is no failure, and the same search goes on with it."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch import nn

import nas.proxy
import nas.search.evaluate
from nas.architecture.architecture import Architecture
from nas.errors import DataChanged, DataError, DeviceLost, GhostnasError, StorageError
from nas.search.evaluate import Evaluator, Task, evaluate
from nas.search.executors import inline, ray_tune
from nas.search.executors.run_trial import Trainers
from nas.search.pending_trial import Failure, PendingTrial
from nas.search.proposals import Proposer
from nas.search.scheduler import TrialScheduler
from nas.space.reference_designs import yolo11
from nas.space.space import SearchSpace
from nas.study.evaluation import Evaluation
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy
from tests.search.conftest import formula

LOST = DeviceLost("ssh://pi@board was lost")
FULL = StorageError("cannot write in models: No space left on device")
CHANGED = DataChanged("data.yaml was changed while the search ran")


@dataclass
class Stopped:
    """An evaluator that something stops after some evaluations."""

    left: int
    error: GhostnasError

    def __call__(self, architecture: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
        if self.left == 0:
            raise self.error
        self.left -= 1
        return formula(architecture, task, label, always_train)


def gone(architecture: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
    raise LOST


def changed(architecture: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
    raise CHANGED


def full(architecture: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
    raise FULL


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (LOST, r"stopped at trial-3.*pi@board was lost.*the same command goes on"),
        pytest.param(
            FULL,
            r"stopped at trial-3: cannot write in models: No space left.*the same command goes on",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            CHANGED,
            r"stopped at trial-3: data.yaml was changed while the search ran.*the same command goes on",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_search_stops_and_goes_on_with_the_same_trial(
    error: GhostnasError,
    message: str,
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
) -> None:
    study = StoredStudy(tmp_path, settings, sizes)
    scheduler = TrialScheduler(study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=9)
    with pytest.raises(type(error), match=message):
        inline.run(scheduler, task, Stopped(3, error))
    assert [r.status for r in study.records()][3] == "running"
    assert not any(r.status == "failed" for r in study.records())
    lost = study.records()[3].key
    study.close()

    study = StoredStudy(tmp_path, settings, sizes)
    again = TrialScheduler(study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=9)
    first = again.ask()
    assert isinstance(first, PendingTrial) and first.architecture.key == lost
    again.tell(first, formula(first.architecture, task, first.label))
    inline.run(again, task, formula)
    records = study.records()
    assert sum(r.status == "trained" for r in records) == 9
    assert not any(r.status == "failed" for r in records)
    study.close()


def test_data_that_are_gone_are_no_fault_of_the_design(task: Task) -> None:
    trainers = Trainers(evaluate=Stopped(0, DataError("data.yaml does not exist")))
    pending = PendingTrial(0, "trial-0", yolo11("n", 96))
    assert trainers.attempt(pending, task) == Failure("data changed", "data.yaml does not exist")


def test_a_baseline_is_repeated_too(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    for evaluator in (Stopped(0, LOST), formula):
        study = StoredStudy(tmp_path, settings, sizes)
        scheduler = TrialScheduler(
            study,
            Proposer(space, sampler="random", seed=0, limits=study.limits),
            budget=1,
            baselines={"yolo11n": yolo11("n", 160)},
        )
        if evaluator is formula:
            inline.run(scheduler, task, evaluator)
        else:
            with pytest.raises(DeviceLost, match="stopped at yolo11n"):
                inline.run(scheduler, task, evaluator)
        found = [r.status for r in study.baselines()]
        study.close()
    assert found == ["trained"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray warns of its own deprecations
@pytest.mark.parametrize(("evaluator", "error"), [(gone, LOST), (full, FULL), (changed, CHANGED)])
def test_workers_stop_it_too(
    evaluator: Evaluator,
    error: GhostnasError,
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
) -> None:
    study = StoredStudy(tmp_path, settings, sizes)
    scheduler = TrialScheduler(
        study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=5, parallel=3
    )
    with pytest.raises(type(error), match=str(error)):
        ray_tune.run(scheduler, task, evaluator, workers=2)
    assert {r.status for r in study.records()} == {"running"}
    study.close()

    study = StoredStudy(tmp_path, settings, sizes)
    assert len(study.orphans()) == len(study.records()) > 0
    study.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_weights_that_do_not_fit_on_the_disk_are_no_fault_of_the_design(
    space: SearchSpace, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture, model = space.smallest()[0], nn.Linear(2, 2)
    monkeypatch.setattr(nas.search.evaluate, "screen", lambda arch, task, label: formula(arch, task))
    trained = SimpleNamespace(score=formula(architecture, task).score, inherited=None), model
    monkeypatch.setattr(nas.proxy, "train_proxy", lambda *_: trained, raising=False)
    (task.folder / "models").mkdir()
    (task.folder / "models" / ".trial-0.pt.part").symlink_to("/dev/full")
    with pytest.raises(StorageError, match=r"cannot write .*models/.*: No space left on device"):
        evaluate(architecture, task, "trial-0")
