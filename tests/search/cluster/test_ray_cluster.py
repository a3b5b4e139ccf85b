"""Searches on two raylets of this machine; designs are screened and trained by formula, so that only the machinery is
on trial."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from nas.architecture.architecture import Architecture
from nas.errors import GhostnasError, UsageError
from nas.proxy import Score
from nas.search.effort import Rung
from nas.search.evaluate import Task
from nas.search.executors.cluster.halves import Halves
from nas.search.executors.cluster.join import joined
from nas.search.executors.cluster.nodes import Allotment, ClusterNode
from nas.search.executors.cluster.run import needs_of, run, run_joined
from nas.search.executors.cluster.survey import look, survey
from nas.search.pending_trial import Promotion
from nas.search.proposals import Proposer
from nas.search.rung_state import standing
from nas.search.scheduler import TrialScheduler
from nas.space.reference_designs import yolo11
from nas.space.space import SearchSpace
from nas.study.evaluation import Evaluation
from nas.study.rungs import RungScore
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy, read_records
from nas.util.worker_messages import post, posted
from tests.data.conftest import MakeSet, make_set  # noqa: F401
from tests.search.cluster.conftest import StartCluster
from tests.search.conftest import formula

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(480),
    pytest.mark.filterwarnings("ignore"),  # Ray warns of its own deprecations
]

ONE = {"num_cpus": 1}


def screen(architecture: Architecture, task: Task, label: str) -> Evaluation:
    (marks_of(task) / f"{label}.screened").write_text(str(os.getpid()))
    return formula(architecture, task, label)


def train(screened: Evaluation, task: Task, label: str, baseline: bool) -> Evaluation:
    """Leave where this was trained, for the test and as a file that goes into the results folder."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    seen = {
        "node": node,
        "device": task.proxy.device,
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "data": task.data,
    }
    with (marks_of(task) / f"{label}.trained").open("a") as file:
        file.write(json.dumps(seen) + "\n")
    (task.folder / "models").mkdir()
    (task.folder / "models" / f"{label}.pt").write_bytes(label.encode())
    post(task.folder, f"{label}: trained")
    return replace(formula(screened.architecture, task, label, True), seconds=screened.seconds)


def train_slowly(screened: Evaluation, task: Task, label: str, baseline: bool) -> Evaluation:
    found = train(screened, task, label, baseline)
    time.sleep(4)
    return found


def train_together(screened: Evaluation, task: Task, label: str, baseline: bool) -> Evaluation:
    """A candidate's training lasts until another one has begun, which can only be on the other node."""
    found = train(screened, task, label, baseline)
    deadline = time.monotonic() + 150
    while not baseline and len(list(marks_of(task).glob("trial-*.trained"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(3)
    return found


def train_or_die(screened: Evaluation, task: Task, label: str, baseline: bool) -> Evaluation:
    """The process is killed that trains the first candidate, each time, and the second one, once."""
    found = train(screened, task, label, baseline)
    times = len((marks_of(task) / f"{label}.trained").read_text().splitlines())
    if is_first(marks_of(task) / "always", label) or (is_first(marks_of(task) / "once", label) and times == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return found


def is_first(file: Path, label: str) -> bool:
    """Whether a label is the first that was asked for in this file."""
    try:
        with file.open("x") as new:
            new.write(label)
    except FileExistsError:
        time.sleep(0.2)  # for whoever has just made it
    return file.read_text() == label


def again(architecture: Architecture, task: Task, number: int) -> Score:
    return Score(0.1 * number, 0.5)


def promoted(architecture: Architecture, task: Task, label: str, promotion: Promotion, baseline: bool) -> RungScore:
    (task.folder / "models").mkdir()
    (task.folder / "models" / f"{label}-{promotion.steps}.pt").write_bytes(b"longer")
    return RungScore(Score(0.1, 0.5), promotion.steps, 1.0, 0.012)


HALVES = Halves(screen, train, again, promoted)


def marks_of(task: Task) -> Path:
    return Path(os.environ["GHOSTNAS_TEST_MARKS"])


@dataclass
class Search:
    """A search that is about to begin."""

    study: StoredStudy
    scheduler: TrialScheduler
    task: Task
    marks: Path

    def trained(self, label: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.marks / f"{label}.trained").read_text().splitlines()]

    def nodes(self) -> set[str]:
        return {json.loads(line)["node"] for path in self.marks.glob("*.trained") for line in path.open()}


Begin = Callable[..., Search]


@pytest.fixture
def begin(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int], marks: Path
) -> Begin:
    def begin(budget: int, workers: int, **more: Any) -> Search:
        study = StoredStudy(tmp_path / "study", settings, sizes)
        proposer = Proposer(space, sampler="random", seed=0, limits=study.limits)
        scheduler = TrialScheduler(study, proposer, budget=budget, parallel=workers + 1, **more)
        return Search(study, scheduler, replace(task, folder=tmp_path / "study"), marks)

    return begin


def on(cluster: Any, *nodes: Any, gpu: float = 0.0) -> Allotment:
    """An allotment of these nodes; the others are not used."""
    used = {node.node_id for node in nodes}
    every = [cluster.head_node, *cluster.worker_nodes]
    return Allotment(
        tuple(ClusterNode(one.node_id, "127.0.0.1", 2, None if one.node_id in used else "not asked") for one in every),
        gpu,
    )


def test_two_nodes_carry_out_a_search(start_cluster: StartCluster, begin: Begin) -> None:
    cluster = start_cluster(ONE, ONE)
    search = begin(6, 2, baselines={"yolo11n": yolo11("n", 160)}, rungs=(Rung(40, 2),))
    before = dict(os.environ)
    run(search.scheduler, search.task, cluster.address, 2, replace(HALVES, train=train_together))
    records = search.study.records()
    assert dict(os.environ) == before
    assert search.scheduler.ended == "budget"
    trained = [record for record in records if record.status == "trained"]
    assert len(trained) == 6 and not any(record.status == "running" for record in records)
    assert [record.status for record in search.study.baselines()] == ["trained"]
    assert len({record.key for record in records}) == len(records)
    assert search.nodes() == {cluster.head_node.node_id, *(node.node_id for node in cluster.worker_nodes)}
    # Every design was screened by one process of this machine, also those that were not trained.
    screened = {path.stem: path.read_text() for path in search.marks.glob("*.screened")}
    assert set(screened) == {record.label for record in [*records, *search.study.baselines()]}
    assert len(set(screened.values())) == 1 and str(os.getpid()) not in screened.values()
    # Weights came back as bytes.
    models = search.task.folder / "models"
    assert all((models / f"{record.label}.pt").read_bytes() == record.label.encode() for record in trained)
    (rung,) = standing(search.study, (Rung(40, 2),))
    assert rung.finished and all((models / f"{label}-40.pt").is_file() for label in rung.promoted)
    assert {f"{record.label}: trained" for record in trained} <= set(posted(search.task.folder))
    search.study.close()


def test_real_trainings_come_back_with_their_weights(start_cluster: StartCluster, begin: Begin) -> None:
    from nas.data import load
    from nas.study import trained_model, weights_file

    cluster = start_cluster({"num_cpus": 0}, ONE)
    search = begin(1, 1)
    proxy = replace(search.task.proxy, steps=2, batch=4)
    search.task = replace(search.task, proxy=proxy, data_digest=load(None).digest)
    run(search.scheduler, search.task, cluster.address, 1, Halves(screen=screen))
    (record,) = search.study.trained()
    assert record.score is not None and record.evaluation.seconds["proxy"] > 0.2
    trained_model(record.evaluation.architecture, 6, weights_file(search.task.folder, record.label))
    assert (search.task.folder / "models" / f"{record.label}.yaml").is_file()
    search.study.close()


def test_a_lost_worker_is_an_interruption_twice_at_most(start_cluster: StartCluster, begin: Begin) -> None:
    cluster = start_cluster(ONE, ONE)
    search = begin(3, 2)
    run(search.scheduler, search.task, cluster.address, 2, replace(HALVES, train=train_or_die))
    by_label = {record.label: record for record in search.study.records()}
    always, once = ((search.marks / name).read_text() for name in ("always", "once"))
    assert by_label[once].status == "trained" and len(search.trained(once)) == 2
    assert by_label[always].status == "failed" and len(search.trained(always)) == 3
    assert "its worker was lost 3 times" in str(by_label[always].reason)
    assert sum(record.status == "trained" for record in by_label.values()) == 3
    again = [text.partition(":")[0] for text in posted(search.task.folder) if "begun again" in text]
    assert sorted(again) == sorted([always, always, once])
    search.study.close()


def killed_after(search: Search, cluster: Any, node: Any) -> threading.Thread:
    """Kills a node once it trains."""

    def kill() -> None:
        deadline = time.monotonic() + 120
        while node.node_id not in search.nodes() and time.monotonic() < deadline:
            time.sleep(0.1)
        cluster.remove_node(node, allow_graceful=False)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_the_trials_of_a_dead_node_are_begun_again_on_another(start_cluster: StartCluster, begin: Begin) -> None:
    cluster = start_cluster(ONE, ONE)
    (other,) = cluster.worker_nodes
    search = begin(4, 2)
    killer = killed_after(search, cluster, other)
    run(search.scheduler, search.task, cluster.address, 2, replace(HALVES, train=train_together))
    killer.join()
    records = search.study.records()
    assert search.scheduler.ended == "budget" and sum(record.status == "trained" for record in records) == 4
    assert {record.status for record in records} <= {"trained", "rejected"}
    lost = [path.stem for path in search.marks.glob("*.trained") if len(path.read_text().splitlines()) > 1]
    assert lost and all(search.trained(label)[0]["node"] == other.node_id for label in lost)
    assert all(search.trained(label)[-1]["node"] == cluster.head_node.node_id for label in lost)
    search.study.close()


def test_only_the_nodes_that_are_used_train_and_a_search_ends_with_the_last_of_them(
    start_cluster: StartCluster, begin: Begin, tmp_path: Path
) -> None:
    cluster = start_cluster({"num_cpus": 2}, ONE)
    (other,) = cluster.worker_nodes
    search = begin(20, 1)
    with joined(cluster.address) as scratch:
        killer = killed_after(search, cluster, other)
        with pytest.raises(GhostnasError, match=r"every node of the cluster that trained is gone .* goes on"):
            run_joined(
                search.scheduler, search.task, on(cluster, other), 1, scratch, replace(HALVES, train=train_slowly)
            )
        killer.join()
    assert search.nodes() == {other.node_id}
    assert "the node 127.0.0.1 of the cluster is gone" in posted(search.task.folder)
    search.study.close()
    running = [record.label for record in read_records(search.task.folder)[1] if record.status == "running"]
    assert running  # the next search that opens the study repeats it


def test_a_trial_trains_on_the_gpu_that_ray_gave(start_cluster: StartCluster, begin: Begin) -> None:
    """Ray believes that there are GPUs, as with `ray start --num-gpus=2`; the training is a stand-in."""
    cluster = start_cluster({"num_cpus": 4}, {"num_cpus": 4, "num_gpus": 2})
    (other,) = cluster.worker_nodes
    search = begin(4, 4)
    search.task = replace(search.task, proxy=replace(search.task.proxy, device="cuda:1"))
    with joined(cluster.address) as scratch:
        run_joined(
            search.scheduler,
            search.task,
            on(cluster, other, gpu=0.5),
            4,
            scratch,
            replace(HALVES, train=train_slowly),
        )
    labels = [record.label for record in search.study.records() if record.status == "trained"]
    seen = [one for label in labels for one in search.trained(label)]
    assert {one["node"] for one in seen} == {other.node_id} and {one["device"] for one in seen} == {"cuda:0"}
    assert {one["gpus"] for one in seen} <= {"0", "1"}
    search.study.close()


def test_nodes_say_what_they_are_and_what_cannot_train_is_listed(start_cluster: StartCluster, task: Task) -> None:
    cluster = start_cluster({"num_cpus": 0}, {"num_cpus": 2})
    found = look(cluster.address, replace(needs_of(task), digest=None))
    assert [node.trials for node in found.used] == [2] and found.trials == 2
    (why,) = [node.why_not for node in found.nodes if node.why_not]
    assert why == "it has 0 cores to give, and a trial takes one (`ray start --num-cpus`)"


def test_a_search_is_refused_by_a_cluster_that_cannot_train(start_cluster: StartCluster, begin: Begin) -> None:
    cluster = start_cluster({"num_cpus": 0})
    search = begin(1, 1)
    with pytest.raises(UsageError, match="no node of the cluster can train"):
        run(search.scheduler, search.task, cluster.address, 1, HALVES)
    assert search.study.records() == []
    search.study.close()


def test_small_data_are_sent_to_nodes_that_have_not_got_them(
    start_cluster: StartCluster,
    task: Task,
    make_set: MakeSet,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    from nas.data import load

    cluster = start_cluster(ONE)
    make_set()
    monkeypatch.chdir(tmp_path)
    digest = load("data.yaml").digest
    here = replace(needs_of(task), data="data.yaml", digest=digest)
    with joined(cluster.address):
        (node,) = survey(here).nodes
        assert node.why_not is None and node.data == "data.yaml"  # the nodes go to the driver's folder
        monkeypatch.setattr("nas.search.executors.cluster.survey.getcwd", lambda: "/no/such/folder")
        (node,) = survey(here).nodes
        assert node.why_not is None and node.data is not None and load(node.data).digest == digest
        assert not Path(node.data).is_relative_to(tmp_path)
        monkeypatch.setattr("nas.search.executors.cluster.survey.SENT_BYTES", 10)
        (node,) = survey(here).nodes
        assert "too large to be sent: copy it to the same path there" in str(node.why_not)
        (node,) = survey(replace(here, data=None)).nodes
        assert "holds other pictures or labels" in str(node.why_not)


SCRIPT = """
import json, sys
from pathlib import Path
from nas.latency import LatencyDevice, LatencySettings
from nas.proxy import ProxySettings
from nas.search.evaluate import Task
from nas.search.executors.cluster.run import run
from nas.search.proposals import Proposer
from nas.search.scheduler import TrialScheduler
from nas.space.space import load_space
from nas.study.limits import Limits
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy
from tests.search import conftest
from tests.search.cluster import test_ray_cluster
from dataclasses import replace

if __name__ == "__main__":
    folder, address = Path(sys.argv[1]), sys.argv[2]
    space = load_space("ghostv2-n")
    settings = SearchSettings.from_dict(json.loads(sys.argv[3]))
    study = StoredStudy(folder, settings, {d.name: len(d.choices) for d in space.dimensions})
    scheduler = TrialScheduler(
        study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=5, parallel=3
    )
    device = LatencyDevice(LatencySettings(), conftest.CALIBRATION)
    task = Task(Limits(2.5), device, ProxySettings(), None, 1.0, 6, folder)
    run(scheduler, task, address, 2, replace(test_ray_cluster.HALVES, train=test_ray_cluster.train_slowly))
    print("ended", scheduler.ended)
"""


def test_a_driver_that_is_killed_loses_no_finished_trial_and_goes_on(
    start_cluster: StartCluster, settings: SearchSettings, tmp_path: Path, marks: Path
) -> None:
    cluster = start_cluster(ONE, ONE)
    script, folder = tmp_path / "script.py", tmp_path / "study"
    script.write_text(SCRIPT)
    arguments = [sys.executable, str(script), str(folder), cluster.address, json.dumps(settings.to_dict())]
    root = Path(__file__).parents[3]
    with (tmp_path / "log.txt").open("w") as log:
        process = subprocess.Popen(arguments, cwd=root, stdout=log, stderr=log)
    deadline, finished = time.monotonic() + 180, 0
    while finished < 2 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.2)
        if (folder / "study.db").exists():
            finished = sum(record.status == "trained" for record in read_records(folder)[1])
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {r.number: r for r in read_records(folder)[1] if r.status in ("trained", "rejected")}
    assert sum(r.status == "trained" for r in before.values()) >= 2, (tmp_path / "log.txt").read_text()
    done = subprocess.run(arguments, cwd=root, capture_output=True, text=True, timeout=240)
    assert "ended budget" in done.stdout, done.stderr
    after = read_records(folder)[1]
    assert all(after[number] == record for number, record in before.items())
    assert sum(r.status == "trained" for r in after) == 5
    assert all((folder / "models" / f"{r.label}.pt").is_file() for r in after if r.status == "trained")
    orphans = [r.number for r in after if r.status == "interrupted"]
    assert orphans and set(orphans) <= {r.retried for r in after}
