"""Real Ray, real SQLite; the evaluator is a formula, so that only the machinery is on trial."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray import tune

from nas.architecture.architecture import Architecture
from nas.errors import GhostnasError, ProxyError, StorageError
from nas.proxy import Score
from nas.search.effort import Rung
from nas.search.evaluate import Task
from nas.search.executors import ray_tune
from nas.search.executors.scratch import own_folder
from nas.search.pending_trial import Promotion
from nas.search.progress import Progress
from nas.search.proposals import Proposer
from nas.search.rung_state import standing
from nas.search.scheduler import TrialScheduler
from nas.space.reference_designs import yolo11
from nas.space.space import SearchSpace
from nas.study.accuracy import TOP_K
from nas.study.evaluation import Evaluation
from nas.study.rungs import RungScore, rung_scores
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy, read_records
from nas.util.worker_messages import posted
from tests.search.conftest import formula

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray warns of its own deprecations

SCRIPT = """
import sys
from pathlib import Path
from tests.search import conftest
from nas.search.proposals import Proposer
from nas.search.scheduler import TrialScheduler
from nas.study.limits import Limits
from nas.search.evaluate import Task
from nas.search.executors import ray_tune
from nas.latency import LatencyDevice, LatencySettings
from nas.proxy import ProxySettings
from nas.study.settings import SearchSettings
from nas.space.space import load_space
from nas.study.store import StoredStudy
import json

def slow(architecture, task, label="", always_train=False):
    import time
    time.sleep(0.5)
    return conftest.formula(architecture, task, label, always_train)

folder, budget = Path(sys.argv[1]), int(sys.argv[2])
settings = SearchSettings.from_dict(json.loads(sys.argv[3]))
space = load_space("ghostv2-n")
study = StoredStudy(folder, settings, {d.name: len(d.choices) for d in space.dimensions})
proposer = Proposer(space, sampler="random", seed=0, limits=study.limits)
scheduler = TrialScheduler(study, proposer, budget=budget, parallel=3)
task = Task(Limits(2.5), LatencyDevice(LatencySettings(), conftest.CALIBRATION), ProxySettings(), None, 1.0, 6, folder)
ray_tune.run(scheduler, task, slow, workers=2)
print("ended", scheduler.ended)
"""


def formula_with_folder(architecture: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
    """The formula; the folder in which the worker runs is left in a file."""
    (task.folder / f"{label}.folder").write_text(os.getcwd())
    return formula(architecture, task, label, always_train)


def again(architecture: Architecture, task: Task, number: int) -> Score:
    return Score(0.1 * number, 0.5)


@pytest.mark.slow
def test_tune_carries_out_a_search(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    study = StoredStudy(tmp_path, settings, sizes)
    scheduler = TrialScheduler(
        study,
        Proposer(space, sampler="random", seed=0, limits=study.limits),
        budget=5,
        parallel=3,
        baselines={"yolo11n": yolo11("n", 160)},
        replicates=1,
    )
    ray_tune.run(scheduler, task, formula_with_folder, workers=2, again=again)
    records = study.records()
    assert scheduler.ended == "budget"
    assert sum(r.status == "trained" for r in records) == 5
    assert [r.status for r in study.baselines()] == ["trained"]
    assert not any(r.status == "running" for r in records)
    assert len({r.key for r in records}) == len(records)
    assert {file.read_text() for file in tmp_path.glob("*.folder")} == {os.getcwd()}
    repeats = study.repeats()  # the only baseline misses the target
    assert len(repeats) >= TOP_K and all(scores == {"1": 0.1} for scores in repeats.values())
    study.close()


def long(architecture: Architecture, task: Task, label: str, promotion: Promotion, baseline: bool) -> RungScore:
    if label == "narrowed-96":
        raise ProxyError("diverged")
    return RungScore(Score(0.1, 0.5), promotion.steps, 1.0, 0.006 if baseline else 0.012)


@pytest.mark.slow
def test_tune_carries_out_a_last_rung(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    study = StoredStudy(tmp_path, settings, sizes)
    scheduler = TrialScheduler(
        study,
        Proposer(space, sampler="random", seed=0, limits=study.limits),
        budget=4,
        parallel=3,
        baselines={"source-96": yolo11("n", 96), "narrowed-96": yolo11("n", 96, 0.25)},
        replicates=1,
        rungs=(Rung(40, 3),),
    )
    ray_tune.run(scheduler, task, formula, workers=2, again=again, promoted=long)
    (now,), scores = standing(study, (Rung(40, 3),)), rung_scores(study)
    assert scheduler.ended == "budget" and now.finished and study.repeats() == {}
    assert now.failed == {"narrowed-96": "ProxyError: diverged"} and set(scores) == set(now.promoted)
    assert {label: some[40].lr for label, some in scores.items()} == {
        label: 0.006 if label == "source-96" else 0.012 for label in now.promoted
    }
    assert sum("trial" in label for label in scores) == TOP_K
    study.close()


@pytest.mark.slow
def test_kill_9_loses_no_finished_trial_and_counts_none_twice(tmp_path: Path, settings: SearchSettings) -> None:
    import json

    root = Path(__file__).parents[2]
    arguments = [sys.executable, "-c", SCRIPT, str(tmp_path), "6", json.dumps(settings.to_dict())]
    with (tmp_path / "log.txt").open("w") as log:
        process = subprocess.Popen(arguments, cwd=root, stdout=log, stderr=log)
    deadline = time.monotonic() + 180
    finished: list[str] = []
    while len(finished) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
        if (tmp_path / "study.db").exists():
            finished = [r.key for r in read_records(tmp_path)[1] if r.status == "trained"]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {r.number: r for r in read_records(tmp_path)[1] if r.status in ("trained", "rejected")}
    assert sum(r.status == "trained" for r in before.values()) >= 2, (tmp_path / "log.txt").read_text()

    done = subprocess.run(arguments, cwd=root, capture_output=True, text=True, timeout=120)
    assert "ended budget" in done.stdout, done.stderr
    after = read_records(tmp_path)[1]
    assert all(after[number] == record for number, record in before.items())
    assert sum(r.status == "trained" for r in after) == 6
    trained = [r.key for r in after if r.status in ("trained", "rejected")]
    assert len(set(trained)) == len(trained)
    orphans = [r.number for r in after if r.status == "interrupted"]
    assert orphans and set(orphans) <= {r.retried for r in after}


@pytest.fixture
def kept_by_another(tmp_path: Path) -> Iterator[Path]:
    """A folder whose process lives."""
    code = (
        "import sys; from pathlib import Path; from nas.search.executors.scratch import own_folder\n"
        "with own_folder(Path(sys.argv[1])) as folder:\n    print(folder, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Path(process.stdout.readline().strip())
        process.kill()


def test_the_folders_of_killed_processes_are_deleted_and_no_others(kept_by_another: Path) -> None:
    home = kept_by_another.parent
    left = home / "4242"
    (left / "session").mkdir(parents=True)
    with own_folder(home) as mine:
        assert {path for path in home.iterdir() if path.is_dir()} == {mine, kept_by_another}
    assert not mine.exists() and kept_by_another.is_dir()


@pytest.mark.slow
def test_tune_keeps_and_writes_nothing_of_finished_trials(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finished: list[Any] = []
    written: dict[Path, set[int]] = {}

    class Watch(tune.Callback):  # type: ignore[misc]
        def __init__(self, folder: Path) -> None:
            self.folder = folder

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            finished.append(trial)
            for one in self.folder.rglob("experiment_state-*.json"):
                written.setdefault(one, set()).add(one.stat().st_mtime_ns)

    def watched(worker: Any, resources: Any, searcher: Any, scratch: Path, folder: Path, watch: Any) -> None:
        until_done(worker, resources, searcher, scratch, folder, watch, [Watch(scratch)])

    study = StoredStudy(tmp_path, settings, sizes)
    proposer = Proposer(space, sampler="random", seed=0, limits=study.limits)
    until_done = ray_tune.tune_until_done
    monkeypatch.setattr(ray_tune, "tune_until_done", watched)
    ray_tune.run(TrialScheduler(study, proposer, budget=6, parallel=2), task, formula_for_long, workers=1)
    study.close()
    assert len(finished) >= 6
    assert all(not one.metric_analysis and not one.metric_n_steps for one in finished)
    assert not any({"result", "config"} & one.last_result.keys() for one in finished)
    assert written and all(len(times) == 1 for times in written.values()), "once as it begins"


def formula_for_long(architecture: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
    """Six of them take longer than Tune waits between two checkpoints of its own."""
    time.sleep(3.0)
    return formula(architecture, task, label, True)


def test_what_ends_a_search_is_not_hidden_by_what_cannot_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the file system of the cache folder became read-only."""

    def read_only() -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    home = tmp_path / "ray"
    home.mkdir()
    monkeypatch.setattr(ray_tune, "home", lambda: home)
    monkeypatch.setattr(ray_tune, "_start", lambda *_: None)
    monkeypatch.setattr(ray, "shutdown", read_only)
    with pytest.raises(GhostnasError, match="why it ends"), ray_tune.started(1) as session:
        session.parent.rename(tmp_path / "moved")
        raise GhostnasError("why it ends")


def formula_or_death(architecture: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
    """The process is killed that evaluates the first trial, each time, and the second one, once."""
    deaths = task.folder / f"{label}.deaths"
    times = len(deaths.read_text()) if deaths.exists() else 0
    if times < {"trial-0": 9, "trial-1": 1}.get(label, 0):
        deaths.write_text("x" * (times + 1))
        os.kill(os.getpid(), signal.SIGKILL)
    return formula(architecture, task, label, True)


@pytest.mark.slow
def test_a_lost_worker_is_an_interruption_twice_at_most(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    study = StoredStudy(tmp_path, settings, sizes)
    proposer = Proposer(space, sampler="random", seed=0, limits=study.limits)
    ray_tune.run(TrialScheduler(study, proposer, budget=3, parallel=2), task, formula_or_death, workers=2)
    by_label = {record.label: record for record in study.records()}
    assert by_label["trial-1"].status == "trained"
    assert by_label["trial-0"].status == "failed" and "lost 3 times" in str(by_label["trial-0"].reason)
    assert sorted(text.partition(":")[0] for text in posted(tmp_path)) == ["trial-0", "trial-0", "trial-1"]
    study.close()


def formula_without_raylet(architecture: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
    """The second trial kills the raylet of its machine, the parent of every worker."""
    if label == "trial-1":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return formula(architecture, task, label, True)


@pytest.mark.slow
def test_a_search_ends_when_ray_stops(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    study = StoredStudy(tmp_path, settings, sizes)
    proposer = Proposer(space, sampler="random", seed=0, limits=study.limits)
    with pytest.raises(GhostnasError, match=r"Ray has stopped on this machine; .* the same command goes on"):
        ray_tune.run(TrialScheduler(study, proposer, budget=3), task, formula_without_raylet, workers=1)
    study.close()


def formula_in_need_of_memory(architecture: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
    """The first trial takes memory until its process is killed."""
    deadline, taken = time.monotonic() + 60, []
    while label == "trial-0" and time.monotonic() < deadline:
        if len(taken) < 256:  # 8 GiB
            taken.append(b"x" * 2**25)
        time.sleep(0.1)
    return formula(architecture, task, label, True)


@pytest.mark.slow
def test_a_worker_that_the_memory_monitor_kills_is_lost(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = psutil.virtual_memory()
    # 5 GiB more than now: whatever runs beside this test takes less, or the next trials would be killed as well.
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{memory.percent / 100 + 5 * 2**30 / memory.total:.3f}")
    study = StoredStudy(tmp_path, settings, sizes)
    proposer = Proposer(space, sampler="random", seed=0, limits=study.limits)
    ray_tune.run(TrialScheduler(study, proposer, budget=2), task, formula_in_need_of_memory, workers=1)
    assert [record.status for record in study.records()] == ["failed", "trained", "trained"]
    assert "its worker was lost 3 times" in str(study.records()[0].reason)
    study.close()


@pytest.mark.slow
def test_what_cannot_be_stored_ends_a_search(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    study = StoredStudy(tmp_path, settings, sizes)

    def full(progress: Progress) -> None:  # after the first training the file may not grow any more
        if progress.trained:
            with study._storage.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA max_page_count=1")

    scheduler = TrialScheduler(
        study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=20, on_progress=full
    )
    with pytest.raises(StorageError, match=r"study.db cannot be written: database or disk is full; what is finished"):
        ray_tune.run(scheduler, task, formula, workers=1)
    study.close()
    assert sum(record.status == "trained" for record in read_records(tmp_path)[1]) >= 1


_A_SEARCH = """
from nas.search.executors.ray_tune import started

with started(1) as folder:
    import ray
    from ray._private.worker import global_worker

    ray.get(ray.remote(lambda: 1).remote())
    print(global_worker.gcs_client.get_all_job_info())
    for path in folder.rglob("*"):
        if path.is_file():
            print(path.name, path.read_bytes())
"""


@pytest.mark.slow
def test_ray_neither_keeps_nor_shows_a_password_of_the_command() -> None:
    command = [sys.executable, "-c", _A_SEARCH, "--storage", "postgresql://me:hush@host/db"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "entrypoint" in done.stdout and "raylet.out" in done.stdout
    assert "hush" not in done.stdout + done.stderr
