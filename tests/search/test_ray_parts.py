"""What Tune's questions and answers become, without a Ray that runs."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nas.errors import DeviceLost, GhostnasError, StorageError
from nas.proxy import Score
from nas.search.evaluate import Task
from nas.search.executors import ray_tune
from nas.search.executors.cluster.carried import NOTHING, CarriedFiles
from nas.search.executors.cluster.halves import Halves
from nas.search.pending_trial import PENDING, RESULT, Failure, NoTrial, PendingTrial, Result
from nas.space.reference_designs import yolo11
from nas.util.worker_messages import posted

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray warns of its own deprecations

TRIALS = [PendingTrial(number, f"trial-{number}", yolo11("n", 96)) for number in range(3)]


class Scheduler:
    """Asks for three trials and keeps what it is told; a device that is lost ends the search."""

    def __init__(self) -> None:
        self.trials = list(TRIALS)
        self.told: list[tuple[str, Result]] = []

    def ask(self) -> PendingTrial | NoTrial:
        return self.trials.pop(0) if self.trials else NoTrial.WAIT

    def tell(self, pending: PendingTrial, result: Result) -> None:
        self.told.append((pending.label, result))
        if isinstance(result, Failure) and result.kind == "device lost":
            raise DeviceLost(f"stopped at {pending.label}")


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler()


@pytest.fixture
def searcher(scheduler: Scheduler, tmp_path: Path) -> Any:
    from nas.search.executors.ray_parts import SchedulerSearcher

    return SchedulerSearcher(scheduler, 3, tmp_path)  # type: ignore[arg-type]


def answer(result: Result) -> dict[str, Any]:
    return {"result": RESULT.dump_json(result).decode()}


def asked(searcher: Any, trial_id: str) -> str:
    return PENDING.validate_json(searcher.suggest(trial_id)["pending"]).label


def test_a_trial_whose_worker_is_lost_begins_again_before_others(
    searcher: Any, scheduler: Scheduler, tmp_path: Path
) -> None:
    assert asked(searcher, "a") == "trial-0"
    for before, after in ("ab", "bc"):
        searcher.on_trial_complete(before, error=True)
        assert asked(searcher, after) == "trial-0"
    assert asked(searcher, "d") == "trial-1"
    searcher.on_trial_complete("d", answer(Score(0.1, 0.5)))
    assert scheduler.told == [("trial-1", Score(0.1, 0.5))] and len(posted(tmp_path)) == 2
    searcher.on_trial_complete("c", error=True)
    assert scheduler.told[1] == ("trial-0", Failure("failed", "its worker was lost 3 times (out of memory?)"))
    assert asked(searcher, "e") == "trial-2" and searcher.suggest("f") is None


def test_a_training_without_memory_leaves_fewer_to_run_side_by_side(
    searcher: Any, scheduler: Scheduler, tmp_path: Path
) -> None:
    full, busy = answer(Failure("no memory", "CUDA out of memory")), answer(Failure("disturbed", "a busy device"))
    scheduler.trials *= 3
    for trial_id in "abcd":  # Tune asks for one more than run
        assert searcher.suggest(trial_id) is not None
    searcher.on_trial_complete("a", busy)
    assert searcher.suggest("e") is not None, "a disturbed device leaves all workers"
    searcher.on_trial_complete("b", full)
    assert searcher.suggest("f") is None and scheduler.told[-1][1].kind == "no memory"  # type: ignore[union-attr]
    for trial_id in "cd":
        searcher.on_trial_complete(trial_id, full)
    assert searcher.suggest("f") is None, "one runs, and none beside it"
    searcher.on_trial_complete("e", full)
    assert searcher.suggest("f") is not None, "one at a time, never none"
    assert posted(tmp_path) == [f"memory is full: from now on --workers {left}" for left in (2, 1)]


def test_the_first_error_ends_a_search_and_the_running_trainings_are_kept(
    searcher: Any, scheduler: Scheduler, tmp_path: Path
) -> None:
    for trial_id in "abc":
        searcher.suggest(trial_id)
    for trial_id in "ab":
        searcher.on_trial_complete(trial_id, answer(Failure("device lost", "unplugged")))
    searcher.on_trial_complete("c", answer(Score(0.1, 0.5)))
    assert str(searcher.error) == "stopped at trial-0" and searcher.suggest("d") == "FINISHED"
    assert scheduler.told[-1] == ("trial-2", Score(0.1, 0.5))
    assert posted(tmp_path) == ["the search ends (stopped at trial-0); the running trainings are finished first"]


def test_what_ray_raises_is_one_line_and_hides_no_earlier_error(
    searcher: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Tuner:
        def fit(self) -> None:
            raise RuntimeError("Traceback:\n  a line\nConnectionError: no GCS\n")

    monkeypatch.setattr("ray.tune.with_resources", lambda worker, resources: worker)
    monkeypatch.setattr("ray.tune.Tuner", lambda *_, **__: Tuner())
    run = {"worker": None, "resources": {}, "searcher": searcher, "scratch": tmp_path, "folder": tmp_path}
    run["watch"] = SimpleNamespace(steps=0)
    with pytest.raises(GhostnasError) as stopped:
        ray_tune.tune_until_done(**run)
    assert str(stopped.value) == (
        "Ray, which runs the workers, stopped (RuntimeError: ConnectionError: no GCS); what is finished is kept, and "
        "the same command goes on"
    )
    searcher.error = DeviceLost("unplugged")
    with pytest.raises(DeviceLost, match="unplugged"):
        ray_tune.tune_until_done(**run)


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (StorageError("disk full"), "not written", "disk full"),
        (OSError("disk full"), "not written", "disk full"),
        (RuntimeError("Ray gave 0 GPUs"), "failed", "RuntimeError: Ray gave 0 GPUs"),
    ],
)
def test_whatever_fails_on_a_node_is_an_answer_that_names_it(
    error: Exception, kind: str, reason: str, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nas.search.executors.cluster import ray_parts

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "10.0.0.2")
    monkeypatch.setattr("ray.get_runtime_context", fails)
    worker = ray_parts.Worker.__new__(ray_parts.Worker)
    worker.setup({}, task, Halves(), {}, CarriedFiles(None, None), "/")
    found = worker.step()
    assert RESULT.validate_json(found["result"]) == Failure(kind, f"on the node 10.0.0.2: {reason}")
    assert found[ray_parts.WRITTEN] == NOTHING


def test_a_worker_that_is_killed_as_it_starts_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's memory monitor kills several at once, and Tune expects an actor's death there alone."""
    import ray
    from ray.exceptions import OutOfMemoryError
    from ray.tune.experiment import Trial

    from nas.search.executors.ray_parts import count_as_lost_workers

    def killed(*_: object) -> None:
        raise OutOfMemoryError("2 worker(s) were killed")

    count_as_lost_workers()
    monkeypatch.setattr(ray, "get", killed)
    trial = Trial("worker", stub=True)
    trial._default_result_or_future = ray.ObjectRef.nil()
    assert set(trial.last_result) == {"trial_id"}


def test_a_worker_whose_gpu_failed_ends_and_others_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    from nas.search.executors import ray_parts

    ended: list[int] = []
    monkeypatch.setattr(ray_parts.os, "_exit", ended.append)
    for kind in ("failed", "disturbed", "device lost"):
        ray_parts.end_if_unusable(Failure(kind, "why"))  # type: ignore[arg-type]
    ray_parts.end_if_unusable(Score(0.1, 0.5))
    assert ended == []
    ray_parts.end_if_unusable(Failure("process unusable", "CUDA error: an illegal memory access was encountered"))
    assert ended == [1]
