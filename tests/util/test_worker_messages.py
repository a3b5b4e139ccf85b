"""What a worker says while it waits reaches whoever runs the search."""

import subprocess
import sys
from pathlib import Path

import pytest

from nas.errors import Unmeasurable
from nas.latency import LatencyDevice, LatencySettings, measurement_retry
from nas.latency.protocol.estimate import Calibration
from nas.proxy import ProxySettings
from nas.search import evaluate
from nas.search.evaluate import Task, measure_only
from nas.space.reference_designs import yolo11
from nas.study.limits import Limits
from nas.util.worker_messages import follow, post


def test_what_another_process_tells_is_shown_line_by_line(tmp_path: Path) -> None:
    seen: list[str] = []
    post(tmp_path, "of a run that was killed")
    with follow(tmp_path, seen.append, every_s=0.01):
        post(tmp_path, "trial-1: the board\nwas lost")
        code = (
            "import sys; from pathlib import Path; from nas.util.worker_messages import post; "
            "post(Path(sys.argv[1]), 'trial-2: ü')"
        )
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert seen == ["trial-1: the board was lost", "trial-2: ü"]
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_said_ends_nothing(tmp_path: Path) -> None:
    post(tmp_path / "gone", "trial-1: the board was lost")


def test_it_ends_with_the_block_that_failed(tmp_path: Path) -> None:
    seen: list[str] = []
    with pytest.raises(RuntimeError), follow(tmp_path, seen.append, every_s=60.0):
        post(tmp_path, "last words")
        raise RuntimeError
    assert seen == ["last words"]


@pytest.mark.slow
def test_a_candidate_that_cannot_be_measured_says_so_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def screen(*_: object) -> None:
        raise Unmeasurable("noise")

    monkeypatch.setattr(LatencyDevice, "screen", screen)
    monkeypatch.setattr(
        evaluate,
        "retry_while_disturbed",
        lambda measure, notice: measurement_retry.retry_while_disturbed(measure, [].append, notice=notice),
    )
    calibration = Calibration(0.35, 2.0, 12_000_000, 0.0, "of-a-test")
    task = Task(Limits(2.5), LatencyDevice(LatencySettings(), calibration), ProxySettings(), None, 1.0, 6, tmp_path)
    seen: list[str] = []
    with pytest.raises(Unmeasurable), follow(tmp_path, seen.append, every_s=60.0):
        measure_only(yolo11("n", 64), task)
    assert seen == [f"a known design: noise (asked again in {pause} s)" for pause in (2, 10, 30)]
