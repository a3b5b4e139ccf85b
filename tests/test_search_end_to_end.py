"""A real search as a user starts it: real models, ONNX Runtime, Ray and SQLite, interrupted and taken up again."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

# A plain median of a hundred runs is never refused and soon done; the paired protocol has tests of its own.
SEARCH = ["search", "--name", "e2e", "--imgsz", "64", "--steps", "3", "--target-latency", "50ms", "--sampler", "random"]
SEARCH += ["--space", "ghostv2-n", "--target-stat", "p50", "--sustained", "0.1s"]


def ghostnas(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Ultralytics changes its folders when it sees pytest's variable.
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    command = [sys.executable, "-m", "nas", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open() as handle:
        return list(csv.DictReader(handle))


@pytest.mark.slow
@pytest.mark.timeout(900)  # three searches, which take turns with whatever measures and trains beside them
def test_a_search_is_killed_resumed_and_concluded(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    command = [sys.executable, "-m", "nas", *SEARCH, "--budget", "2", "--workers", "2"]

    def ended_by(which: signal.Signals, once: str) -> str:
        """What a search writes that gets a signal when it has written a word."""
        log = tmp_path / f"{which.name}.txt"
        with log.open("w") as file:
            process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=file, stderr=file)
            deadline = time.monotonic() + 240
            while once not in log.read_text() and process.poll() is None:
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
            process.send_signal(which)
            assert process.wait() == (130 if which == signal.SIGTERM else 0)
        return log.read_text()

    (tmp_path / "yolo11n.pt").touch()
    interrupted = ended_by(signal.SIGINT, "yolo11n: ")  # workers are running
    assert "interrupted: finishing the front so far" in interrupted and "Next:" in interrupted
    assert "yolo11n.pt is at hand: `--from yolo11n.pt`" in interrupted
    terminated = ended_by(signal.SIGTERM, "trial-")  # a job scheduler's warning that it will kill
    assert "finishing the front" not in terminated and terminated.splitlines()[-1].startswith("ghostnas: interrupted")
    assert "Traceback" not in terminated and "*** " not in terminated  # Ray's own handler prints its C++

    done = ghostnas(tmp_path, *SEARCH, "--budget", "2", "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "goes on: " in done.stdout and "Next:" in done.stdout
    folder = tmp_path / "results" / "e2e"
    run = json.loads((folder / "run.json").read_text())
    assert run["trained"] == 2 and run["settings"]["runtime"] == "onnxruntime" and run["scope"] == "compute"
    trials = rows(folder / "trials.csv")
    assert sum(row["status"] == "trained" and row["origin"] != "baseline" for row in trials) == 2
    assert {row["trial"] for row in trials if row["origin"] == "baseline"} == {"yolo11n", "ghostnetv2"}
    finished = [row["architecture"] for row in trials if row["status"] in ("trained", "rejected")]
    assert len(set(finished)) == len(finished)
    for row in rows(folder / "front.csv"):
        low, middle, high = (float(row[f"latency_{part}ms"]) for part in ("low_", "", "high_"))
        assert 0 < low <= middle <= high
        assert row["meets_target"] == ("true" if high <= 50 else "false")
        assert (folder / row["yaml"]).is_file()
        assert row["seeds"] == "3"  # both candidates are favourites
    best = yaml.safe_load((folder / "best.yaml").read_text())
    assert best["imgsz"] == 64
    assert done.stdout.splitlines()[-1].endswith("e2e/report.html")
    for name in ("report.md", "report.html", "front.png", "study.db", "baselines.csv"):
        assert (folder / name).stat().st_size > 0

    refused = ghostnas(tmp_path, *SEARCH, "--budget", "2", "--seed", "5")
    assert refused.returncode == 2 and "seed: 0 there, 5 asked" in refused.stderr
    status = ghostnas(tmp_path, "status", "e2e")
    assert "2 trained" in status.stdout and "not running" in status.stdout
