"""The headline comparison as it is called, on a few pictures and for a few steps: run, gone on with, scored on test."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from nas.data.synthetic.embedded import write_set
from tests.test_from_checkpoint_end_to_end import checkpoint
from tests.trained_run import environment

ROOT = Path(__file__).parents[1]
SEARCHES = "--imgsz 64 --steps 2 --rungs 3:1 --budget 1 --workers 0"
TINY = ["--target-latency", "50ms", "--target-stat", "p50", "--sustained", "0.1s", "--source-steps", "2"]
TINY += ["--search-seeds", "0", "1", "--search-args", SEARCHES, "--finals-steps", "4", "--finals", "2"]
TINY += ["--hand-steps", "2", "--script-epochs", "1", "--workers", "1", "--train-device", "cpu"]
ARMS = {"from": 2, "scratch": 2, "random": 2, "hand": 1, "hand-scratch": 1, "script": 1, "ghostnetv2": 1}
"""The designs of each arm."""


def headline(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    asked = [str(folder / "tiny" / "data.yaml"), "--source", str(folder / "source.pt"), *TINY]
    places = ["--work", str(folder / "work"), "--kept", str(folder / "kept"), *more]
    command = [sys.executable, "-m", "benchmarks.headline", *asked, *places]
    env = environment(GHOSTNAS_CACHE=str(folder / "cache"))
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def per_arm(table: list[dict[str, str]]) -> dict[str, int]:
    return {arm: sum(row["arm"] == arm for row in table) for arm in ARMS}


@pytest.mark.slow
@pytest.mark.timeout(3600)  # six searches, hand scaling twice, a script, fourteen trainings
def test_the_whole_comparison(tmp_path: Path) -> None:
    write_set(tmp_path / "tiny", {"train": 24, "val": 12, "test": 10}, seed=5)
    data = tmp_path / "tiny" / "data.yaml"
    data.write_text(data.read_text() + "test: images/test\n")
    checkpoint(tmp_path / "source.pt")
    early = headline(tmp_path, "--test")
    assert early.returncode and "final trainings are missing (all)" in early.stderr

    done = headline(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    kept = tmp_path / "kept" / "tiny"
    assert per_arm(rows(kept / "designs.csv")) == ARMS
    finals = rows(kept / "finals.csv")
    assert per_arm(finals) == dict.fromkeys(ARMS, 2) and {row["steps"] for row in finals} == {"4"}
    assert {row["arm"] for row in finals if row["start"] == "checkpoint"} == {"from", "hand", "script"}
    assert all(
        (float(row["inherited"]) > 0) if row["start"] == "checkpoint" else not row["inherited"] for row in finals
    )
    assert len(list((kept / "val").glob("*.npz"))) == len(finals)
    assert {row["steps"] for row in rows(kept / "hand.csv")} >= {"2"} and rows(kept / "script.csv")
    assert "(1) - (4)" in done.stdout and (kept / "val.md").read_text() in done.stdout

    assert not list(ROOT.glob("trial_*.onnx"))

    again = headline(tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert rows(kept / "finals.csv") == finals
    assert "search from-0" not in again.stdout and "arm=" not in again.stdout

    tested = headline(tmp_path, "--test")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    scored = rows(kept / "test.csv")
    assert per_arm(scored) == dict.fromkeys(ARMS, 2) and all(row["commit"] for row in scored)
    assert "## tiny, test" in tested.stdout
    twice = headline(tmp_path, "--test")
    assert twice.returncode and "test was read by commit" in twice.stderr
    assert rows(kept / "test.csv") == scored
