"""A search that starts from a checkpoint, as a user calls it: tuned once, inherited, trained long, taken home."""

import json
from pathlib import Path

import pytest
import torch

from tests.test_search_end_to_end import ghostnas, rows

SEARCH = ["search", "--from", "source.pt", "--name", "f", "--imgsz", "64", "--target-latency", "50ms", "--steps", "2"]
SEARCH += ["--source-steps", "2", "--rungs", "3:1", "--target-stat", "p50", "--sustained", "0.1s"]
SEARCH += ["--workers", "1"]


def checkpoint(path: Path) -> Path:
    from nas.architecture.ultralytics_yaml import to_yaml
    from nas.model.builder import build
    from nas.space.reference_designs import yolo11

    torch.save({"model": build(to_yaml(yolo11("n", 64), 2), seed=0), "train_args": {}}, path)
    return path


@pytest.mark.slow
@pytest.mark.timeout(1200)  # two searches and a training, which take turns with whatever runs beside them
def test_a_search_from_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path / "cache"))
    source = checkpoint(tmp_path / "source.pt")
    done = ghostnas(tmp_path, *SEARCH, "--budget", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tuned for 2 steps: mAP50-95" in done.stdout
    folder = tmp_path / "results" / "f"
    run = json.loads((folder / "run.json").read_text())
    assert run["settings"]["space"] == "narrowed-n"
    assert run["settings"]["source"].startswith("source.pt (") and run["settings"]["rungs"] == [3]
    assert {row["baseline"] for row in rows(folder / "baselines.csv")} == {"source-64"}
    trained = [row for row in rows(folder / "trials.csv") if row["status"] == "trained"]
    assert len(trained) == 2 and all(0 < float(row["inherited"]) <= 1 for row in trained)
    assert "mutation" in {row["origin"] for row in trained}  # of its baselines, near which it looks
    assert len(list((folder / "models").glob("*-3.pt"))) == 2
    tuned = list((tmp_path / "cache" / "sources").glob("*.pt"))
    assert len(tuned) == 1

    more = ghostnas(tmp_path, *SEARCH, "--budget", "2")
    assert more.returncode == 0, more.stdout + more.stderr
    assert "steps of its training" not in more.stdout  # it lies in the cache folder
    assert list((tmp_path / "cache" / "sources").glob("*.pt")) == tuned
    other = ghostnas(tmp_path, *[word.replace("source.pt", "other.pt") for word in SEARCH], "--budget", "2")
    assert other.returncode == 2 and "there is no checkpoint other.pt" in other.stderr
    scratch = ghostnas(tmp_path, *[w for w in SEARCH if w not in ("--from", "source.pt")], "--budget", "2")
    assert scratch.returncode == 2 and "add --from" in scratch.stderr

    own = ["--from", "self", "--name", "own", "--budget", "1"]
    itself = ghostnas(tmp_path, *SEARCH, *own)  # typer takes the last of two
    assert itself.returncode == 0, itself.stdout + itself.stderr
    assert "trained from scratch for 2 steps: mAP50-95" in itself.stdout and "train own epochs=100" in itself.stdout
    assert json.loads((tmp_path / "results" / "own" / "run.json").read_text())["settings"]["source"] == (
        "YOLO11n from scratch"
    )

    fast = ["epochs=1", "batch=16", "fraction=0.1", "workers=0", "device=cpu", "plots=False"]
    training = ghostnas(tmp_path, "train", "f", "--from", str(source), *fast)
    assert training.returncode == 0, training.stdout + training.stderr
    told = training.stdout + training.stderr
    assert "of the parameters begin with" in told and " steps\n" not in told  # the tuned source is the search's
    assert "best checkpoint: " in training.stdout
