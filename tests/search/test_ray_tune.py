"""Real Ray, real SQLite; the evaluator is a formula, so that only the machinery is on trial."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nas.architecture import Architecture
from nas.campaign import Campaign
from nas.estimates import FAVOURITES
from nas.evaluate import Task
from nas.executors import ray_tune
from nas.literals import yolo11
from nas.proxy import Score
from nas.settings import SearchSettings
from nas.space import SearchSpace
from nas.study import StoredStudy, read_records
from tests.search.conftest import formula

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray warns of its own deprecations

SCRIPT = """
import sys
from pathlib import Path
from tests.search import conftest
from nas.campaign import Campaign
from nas.evaluate import Limits, Task
from nas.executors import ray_tune
from nas.latency import LatencySettings
from nas.proxy import ProxySettings
from nas.settings import SearchSettings
from nas.space import load_space
from nas.study import StoredStudy
import json

def slow(architecture, task, label="", always_train=False):
    import time
    time.sleep(0.5)
    return conftest.formula(architecture, task, label, always_train)

folder, budget = Path(sys.argv[1]), int(sys.argv[2])
settings = SearchSettings.from_dict(json.loads(sys.argv[3]))
space = load_space("ghostv2-n")
study = StoredStudy(folder, settings, {d.name: len(d.choices) for d in space.dimensions})
campaign = Campaign(study, space, sampler="random", seed=0, budget=budget, parallel=3)
task = Task(Limits(2.5), LatencySettings(), conftest.CALIBRATION, ProxySettings(), None, 1.0, 6, folder)
ray_tune.run(campaign, task, slow, workers=2)
print("ended", campaign.ended)
"""


def again(architecture: Architecture, task: Task, repetition: int) -> Score:
    return Score(0.1 * repetition, 0.5)


def test_tune_carries_out_a_campaign(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    study = StoredStudy(tmp_path, settings, sizes)
    campaign = Campaign(
        study,
        space,
        sampler="random",
        seed=0,
        budget=5,
        parallel=3,
        baselines={"yolo11n": yolo11("n", 160)},
        repetitions=1,
    )
    ray_tune.run(campaign, task, formula, workers=2, again=again)
    records = study.records()
    assert campaign.ended == "budget"
    assert sum(r.status == "trained" for r in records) == 5
    assert [r.status for r in study.baselines()] == ["trained"]
    assert not any(r.status == "running" for r in records)
    assert len({r.key for r in records}) == len(records)
    repeats = study.repeats()  # the only baseline misses the target
    assert len(repeats) >= FAVOURITES and all(scores == {"1": 0.1} for scores in repeats.values())
    study.close()


def test_kill_9_loses_no_finished_trial_and_counts_none_twice(tmp_path: Path, settings: SearchSettings) -> None:
    import json

    root = Path(__file__).parents[2]
    arguments = [sys.executable, "-c", SCRIPT, str(tmp_path), "6", json.dumps(settings.to_dict())]
    with (tmp_path / "log.txt").open("w") as log:
        process = subprocess.Popen(arguments, cwd=root, stdout=log, stderr=log)
    deadline = time.monotonic() + 90
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
    for orphan in (r for r in after if r.status == "interrupted"):
        assert any(r.retried == orphan.number for r in after)


def test_the_folders_of_killed_processes_are_deleted(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead, alive, another = (tmp_path / str(name) for name in (gone.pid, 1, "kept"))
    for folder in (dead, alive, another):
        folder.mkdir()
    (tmp_path / str(os.getpid()) / "of an earlier process").mkdir(parents=True)
    mine = ray_tune._own_folder(tmp_path)
    assert set(tmp_path.iterdir()) == {mine, alive, another} and not any(mine.iterdir())
