"""A search that waits for a Ray that never answers again ends by itself."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event

import psutil
import pytest

from nas.search.executors.watchdog import EXIT_CODE, LOOK_EVERY_S, Watchdog
from nas.study.settings import SearchSettings
from nas.study.store import read_records
from nas.util.worker_messages import posted
from tests.search.test_ray_tune import SCRIPT


class Loop:
    """What a watchdog looks at."""

    steps, working = 0, False


@pytest.fixture
def loop() -> Loop:
    return Loop()


def watching(loop: Loop, folder: Path, end: Event) -> Watchdog:
    return Watchdog(folder, lambda: loop.steps, lambda: loop.working, timeout_s=3 * LOOK_EVERY_S, end=end.set)


def test_a_loop_hangs_that_makes_no_step_for_so_many_looks(loop: Loop, tmp_path: Path) -> None:
    watchdog = watching(loop, tmp_path, Event())
    assert [watchdog.look() for _ in range(4)] == [False, False, False, True]
    loop.steps += 1
    assert [watchdog.look() for _ in range(4)] == [False, False, False, True]


def test_work_of_its_own_may_take_its_time(loop: Loop, tmp_path: Path) -> None:
    watchdog = watching(loop, tmp_path, Event())
    loop.working = True
    assert not any(watchdog.look() for _ in range(10))
    loop.working = False
    assert [watchdog.look() for _ in range(3)] == [False, False, True]


def test_the_end_is_said_in_a_line(loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.search.executors.watchdog.LOOK_EVERY_S", 0.01)
    ended = Event()
    with Watchdog(tmp_path, lambda: loop.steps, lambda: loop.working, timeout_s=0.05, end=ended.set):
        assert ended.wait(60)
    assert posted(tmp_path) == [
        "the search ends: Ray, which runs the workers, has not answered for 0.05 s; what is finished is kept, and the "
        "same command goes on"
    ]


@pytest.mark.slow
@pytest.mark.timeout(480)
@pytest.mark.skipif(sys.platform != "linux", reason="Ray's processes end with the search's on Linux alone")
def test_a_search_ends_whose_raylet_stands_still_and_the_same_command_goes_on(
    tmp_path: Path, settings: SearchSettings
) -> None:
    root = Path(__file__).parents[2]
    impatient = "from nas.search.executors import watchdog\nwatchdog.TIMEOUT_S = 9.0\n" + SCRIPT
    arguments = [str(tmp_path), "6", json.dumps(settings.to_dict())]
    with (tmp_path / "log.txt").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", impatient, *arguments], cwd=root, stdout=log, stderr=log)
    deadline, trained = time.monotonic() + 180, 0
    while trained < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
        if (tmp_path / "study.db").exists():
            trained = sum(record.status == "trained" for record in read_records(tmp_path)[1])
    (raylet,) = [
        one
        for one in psutil.Process(process.pid).children(recursive=True)
        if "raylet/raylet" in " ".join(one.cmdline())
    ]
    raylet.send_signal(signal.SIGSTOP)
    assert process.wait(240) == EXIT_CODE, (tmp_path / "log.txt").read_text()
    assert any("has not answered for 9 s" in line for line in posted(tmp_path))
    before = {record.number: record for record in read_records(tmp_path)[1] if record.evaluation is not None}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], cwd=root, capture_output=True, text=True, timeout=180
    )
    assert "ended budget" in done.stdout, done.stderr
    after = {record.number: record for record in read_records(tmp_path)[1]}
    assert len(before) >= 2 and all(after[number] == record for number, record in before.items())
