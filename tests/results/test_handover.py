"""What a finished search hands over trained, and who goes on from it."""

import hashlib
import json
import pickletools
import re
import shutil
import subprocess
import sys
import types
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nas.architecture.architecture import Architecture
from nas.architecture.ultralytics_yaml import to_yaml
from nas.cli.app import build_app
from nas.data.findings import Findings
from nas.errors import StudyError, UsageError
from nas.export.exporter import _place
from nas.export.formats import find_format
from nas.latency import LatencySettings
from nas.model.builder import build, load_model
from nas.model.checkpoint_file import save_checkpoint
from nas.model.checkpoints import load_trained
from nas.proxy import Score
from nas.results.designs import Design, find_design
from nas.results.folder import HANDED_OVER, checkpoint_of
from nas.results.handover import hand_over
from nas.results.writer import write
from nas.study.finalists import Finalist, FinalMeasurement
from nas.study.outcome import Outcome
from nas.study.record import Record, as_trained
from nas.study.rungs import RungScore
from nas.study.weights import finalist_weights, measured_file, trained_model, write_weights
from nas.util.provenance import host_machine, versions
from tests.search.conftest import changed
from tests.trained_run import GHOST, SETTINGS, STOCK, Run, environment, evaluation

NAMES = ("ant", "bee", "cat", "dog", "eel", "fox")
MEASURED = b"the measured file"


def finalist(
    label: str, design: Architecture, run: Path, settings: LatencySettings, rung: int | None = 40, **final: object
) -> Finalist:
    """A finalist that meets the target, with random weights and a measured file in `models/`."""
    number = int(label.removeprefix("trial-")) if label.startswith("trial-") else 0
    found = evaluation(design, 2.0, 0.1)
    record = Record(number, label, number == 0, "trained", design.key, {}, "random", found, None, None)
    rungs = {} if rung is None else {rung: RungScore(Score(0.2 + number / 100, 0.4), rung, 1.0, 0.006)}
    latency = replace(found.latency, level="finalist")
    measured = {"val": Score(0.31, 0.52), "val_float": None, "file": hashlib.sha256(MEASURED).hexdigest(), **final}
    made = Finalist(
        as_trained(record),
        FinalMeasurement(latency, difference=0.0, **measured),
        True,
        0.1,
        None,
        1,
        rungs,  # type: ignore[arg-type]
    )
    weights = finalist_weights(run, made)
    write_weights(weights, build(to_yaml(design, 6), seed=number))
    measured_file(weights, settings).write_bytes(MEASURED)
    return made


def outcome(
    run: Path,
    candidates: Sequence[tuple[str, Architecture]],
    baselines: Sequence[tuple[str, Architecture]] = (),
    runtime: str = "onnxruntime",
    **final: object,
) -> Outcome:
    """A finished search with these finalists."""
    latency = LatencySettings(runtime=runtime)
    found = [finalist(label, design, run, latency, **final) for label, design in [*candidates, *baselines]]  # type: ignore[arg-type]
    ours, known = found[: len(candidates)], found[len(candidates) :]
    return Outcome(
        folder=run,
        settings=changed(SETTINGS, runtime=runtime, rungs=[40]),
        budget=1,
        records=[one.record for one in ours],
        baseline_records=[one.record for one in known],
        repeats={},
        begun={"device": "a", "runtime": "b", "arithmetic": "c", "machine": host_machine(), "versions": versions()},
        front=ours,
        baselines=known,
        fastest_ms=0.5,
        slowest_ms=9.0,
        ended="budget",
        seconds=1.0,
        data_sizes={"train": 20, "select": 2, "val": 2},
        protocol={"lr": 0.012},
        data_yaml="/data/data.yaml",
        data_file="/data/data.yaml",
        class_names=NAMES,
        findings=Findings(),
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A results folder of a test's own."""
    return tmp_path / "results" / "run"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A search whose results are written and handed over: trials 7, the best, and 3, and a baseline; trial 1 is none.

    Trial 7 is a ghost design, the others are of stock blocks.
    """
    run = tmp_path_factory.mktemp("home") / "results" / "run"
    found = outcome(run, [("trial-7", GHOST), ("trial-3", STOCK)], [("yolo11n", STOCK)])
    write(found)
    hand_over(found)
    (run / "models" / "trial-1.yaml").write_text(to_yaml(STOCK, 6))
    return found


@pytest.fixture
def handed(finished: Outcome) -> Path:
    """Its results folder, which no test changes."""
    return finished.folder


def outputs(model: torch.nn.Module) -> torch.Tensor:
    """Raw detections of one picture of noise, (1, 4 + classes, positions)."""
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return model.eval()(picture)[0]


def test_the_best_and_the_last_rung_are_handed_over_trained(finished: Outcome) -> None:
    run, best = finished.folder, finished.best
    assert best is not None and best.record.label == "trial-7"
    checkpoint = load_trained(run / "best.pt")
    assert (checkpoint.imgsz, checkpoint.data) == (64, "/data/data.yaml")
    assert checkpoint.model.names == dict(enumerate(NAMES))
    kept = trained_model(GHOST, 6, finalist_weights(run, best))
    assert torch.equal(outputs(checkpoint.model), outputs(kept))
    content = torch.load(run / "best.pt", weights_only=False)
    assert content["train_metrics"] == {"metrics/mAP50(B)": 0.52, "metrics/mAP50-95(B)": 0.31, "fitness": 0.31}
    known = content["train_args"]
    assert [known[name] for name in ("epochs", "batch", "lr0", "seed")] == [8, 4, 0.006, 0]
    assert [known[name] for name in ("task", "mode", "model")] == ["detect", "train", "front/trial-7.yaml"]
    assert content["ghostnas"]["steps"] == 40 and content["version"] and content["date"]
    assert (run / "best.onnx").read_bytes() == MEASURED
    # The best lies in `best.pt`; no block of ours lies beside the others, because they name none.
    there = ["trial-3.pt", "trial-3.yaml", "trial-7.yaml", "yolo11n.pt", "yolo11n.yaml"]
    assert sorted(path.name for path in (run / "front").iterdir()) == there
    other = build(to_yaml(STOCK, 6), seed=3).half().float()
    assert torch.equal(outputs(load_model(run / "front" / "trial-3.pt")), outputs(other))
    text = (run / "ghost_blocks.py").read_text()
    assert "class GhostBottleneckV2(" in text and "class MBConv(" not in text
    report = (run / "report.md").read_text()
    assert "`best.pt` is the trained best design" in report and "`best.onnx` is the file whose latency" in report
    assert "    ghostnas train " in report and "goes on from `best.pt`; with `--from-scratch` it does not" in report


def test_the_score_in_a_checkpoint_is_that_of_float32_and_a_proxy_has_its_own_rate(run: Path) -> None:
    found = outcome(run, [("trial-7", STOCK)], rung=None, val_float=Score(0.4, 0.6))
    hand_over(found)
    content = torch.load(run / "best.pt", weights_only=False)
    assert content["train_metrics"]["metrics/mAP50-95(B)"] == 0.4
    assert (content["train_args"]["lr0"], content["train_args"]["epochs"]) == (0.012, 2)  # 10 steps of 4, 20 pictures
    assert not (run / "ghost_blocks.py").exists() and not list((run / "front").glob("*.pt"))


@pytest.mark.parametrize(
    ("runtime", "name"), [("openvino", "best.onnx"), ("ncnn", "best.ncnn"), ("torch", "best.torch.pt")]
)
def test_the_measured_file_is_named_by_its_runtime(
    run: Path, runtime: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.results.handover.write_trained", lambda *_: None)
    found = outcome(run, [("trial-7", STOCK)], runtime=runtime)
    hand_over(found)
    assert [path.name for path in run.iterdir() if path.is_file()] == [name] and name in HANDED_OVER
    assert (run / name).read_bytes() == MEASURED


def test_without_a_best_design_nothing_is_left_of_an_earlier_one(run: Path) -> None:
    found = outcome(run, [("trial-7", GHOST)])
    none = replace(found, front=[replace(one, meets_target=False) for one in found.front])
    for stale in HANDED_OVER:
        (run / stale).write_text("of an earlier outcome")
    write(none)
    hand_over(none)
    assert not any((run / name).exists() for name in HANDED_OVER)
    assert (run / "front" / "trial-7.pt").is_file()  # trained all the same, its blocks beside it
    assert "class GhostBottleneckV2(" in (run / "front" / "ghost_blocks.py").read_text()
    assert "best.pt" not in (run / "report.md").read_text()


def test_a_file_that_was_not_measured_is_never_handed_over(run: Path) -> None:
    found = outcome(run, [("trial-7", STOCK)])
    best = found.best
    assert best is not None
    kept = measured_file(finalist_weights(run, best), found.settings.latency)
    kept.write_bytes(b"another")
    with pytest.raises(StudyError, match="is not the file that was measured; delete it, and the same command makes"):
        hand_over(found)
    kept.unlink()
    with pytest.raises(StudyError, match=r"cannot be read .*the same command makes it again"):
        hand_over(found)
    assert not (run / "best.onnx").exists()
    finalist_weights(run, best).unlink()
    with pytest.raises(StudyError, match=r"weights .*trial-7-40\.pt cannot be read"):
        hand_over(found)


def test_blocks_are_named_as_beside_the_checkpoint_whatever_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = types.ModuleType("ghost_blocks")  # such as of a bundle that a user has imported
    monkeypatch.setitem(sys.modules, "ghost_blocks", other)
    save_checkpoint(tmp_path / "best.pt", build(to_yaml(GHOST, 6)), {"task": "detect"})
    assert sys.modules["ghost_blocks"] is other
    with zipfile.ZipFile(tmp_path / "best.pt") as file:
        (pickled,) = (file.read(name) for name in file.namelist() if name.endswith("data.pkl"))
    rooms = {str(word).split()[0] for code, word, _ in pickletools.genops(pickled) if code.name == "GLOBAL"}
    assert "ghost_blocks" in rooms and not any(room.startswith("nas.") for room in rooms)


# --- who goes on from it


def designs(run: Path) -> dict[str, Design]:
    return {
        "best": find_design("run", None, run.parent),
        "its trial": find_design("run", 7, run.parent),
        "another trial": find_design("run", 3, run.parent),
        "a proxy": find_design("run", 1, run.parent),
        "a file": find_design(str(run / "best.yaml")),
        "a checkpoint": find_design(str(run / "best.pt")),
    }


def test_a_training_goes_on_from_what_was_handed_over(handed: Path) -> None:
    from nas.train.arguments import complete

    begins = {name: complete(design, {}).model.relative_to(handed) for name, design in designs(handed).items()}
    assert {name: str(path) for name, path in begins.items()} == {
        "best": "best.pt",
        "its trial": "best.pt",
        "another trial": "front/trial-3.pt",
        "a proxy": "models/trial-1.yaml",
        "a file": "best.yaml",
        "a checkpoint": "best.pt",
    }
    best = designs(handed)["best"]
    training = complete(best, {})
    assert (training.arguments["imgsz"], training.data) == (64, "/data/data.yaml")
    assert training.arguments["name"] == "trial-7"
    for asked, fresh in (({}, True), ({"pretrained": False}, False), ({"pretrained": str(handed / "best.pt")}, False)):
        assert complete(best, asked, fresh=fresh).model == handed / "best.yaml"
    assert complete(best, {"pretrained": True}).model == handed / "best.pt"
    assert complete(best, {}, handed / "best.pt").model == handed / "best.yaml"  # --from
    assert checkpoint_of(handed, "trial-1") is None and checkpoint_of(handed / "front", "trial-3") is None


@pytest.mark.parametrize(
    ("target", "arguments", "source", "says"),
    [
        ("best", {}, True, "--from-scratch and --from both say"),
        ("best", {"pretrained": "other.pt"}, False, "--from-scratch and pretrained= both say"),
        ("best", {"resume": True}, False, "--from-scratch and resume= both say"),
        ("a checkpoint", {}, False, r"best\.pt has weights of its own"),
    ],
)
def test_a_training_has_one_beginning(
    handed: Path, target: str, arguments: dict[str, object], source: bool, says: str
) -> None:
    from nas.train.arguments import complete

    with pytest.raises(UsageError, match=says):
        complete(designs(handed)[target], arguments, handed / "best.pt" if source else None, fresh=True)


def test_the_command_says_where_it_starts(handed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    begun: list[Path] = []

    def train(training: object) -> Path:
        begun.append(training.model)  # type: ignore[attr-defined]
        return Path("best.pt")

    monkeypatch.setattr("nas.train.trainer.train", train)
    told = [
        CliRunner().invoke(build_app(), ["train", "run", "--out", str(handed.parent), *more]).output
        for more in ([], ["--trial", "3"], ["--from-scratch"])
    ]
    assert [path.name for path in begun] == ["best.pt", "trial-3.pt", "best.yaml"]
    for text, path in zip(told, begun, strict=True):
        line = f"starts from the search's own weights, {path}; --from-scratch trains from fresh weights\n"
        assert (line in text) == (path.suffix == ".pt")


def test_an_export_leaves_the_measured_file_alone(handed: Path) -> None:
    onnx, ncnn = find_format("onnx"), find_format("ncnn")
    for checkpoint in (handed / "best.pt", handed / "front" / "trial-3.pt"):
        assert _place(checkpoint, onnx, None) == handed / "export"
    elsewhere = handed / "train" / "trial-7" / "weights" / "best.pt"
    assert _place(elsewhere, onnx, None) == elsewhere.parent
    for checkpoint in (handed / "best.pt", elsewhere):
        with pytest.raises(UsageError, match=r"best\.onnx is the place of the file that the search measured"):
            _place(checkpoint, onnx, handed)
    assert _place(handed / "best.pt", ncnn, handed) == handed
    assert _place(handed / "front" / "trial-3.pt", onnx, handed) == handed


# --- without ghostnas

_LOADS = '''
import sys

class Blocked:
    """Makes `import nas` fail, wherever the package lies."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "nas":
            raise ModuleNotFoundError("blocked: " + name, name=name)

sys.meta_path.insert(0, Blocked())
if sys.argv[2] == "blocks":
    sys.path.insert(0, sys.argv[1])
import torch
from ultralytics import YOLO
model = YOLO(sys.argv[1] + "/best.pt")
picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
with torch.inference_mode():
    torch.save(model.model.eval()(picture)[0], sys.argv[3])
model.predict((picture[0].permute(1, 2, 0) * 255).byte().numpy(), device="cpu", verbose=False, save=False)
assert "ghost_blocks" in sys.modules or sys.argv[2] != "blocks"
'''


@pytest.mark.slow
@pytest.mark.parametrize(("design", "blocks"), [(STOCK, "none"), (GHOST, "blocks")])
def test_a_checkpoint_loads_where_ghostnas_is_not(run: Path, tmp_path: Path, design: Architecture, blocks: str) -> None:
    found = outcome(run, [("trial-7", design)])
    hand_over(found)
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("best.pt", "ghost_blocks.py"):
        if (found.folder / name).is_file():
            shutil.copy(found.folder / name, alone)
    assert (alone / "ghost_blocks.py").is_file() == (blocks == "blocks")
    done = subprocess.run(
        [sys.executable, "-I", "-c", _LOADS, alone, blocks, tmp_path / "out.pt"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    best = found.best
    assert best is not None
    expected = outputs(trained_model(design, 6, finalist_weights(found.folder, best)))
    assert torch.equal(torch.load(tmp_path / "out.pt"), expected)


@pytest.mark.slow
def test_a_training_takes_all_of_its_weights(run: Path, data_yaml: Path, ghostnas: Run) -> None:
    from nas.data import load

    digest, yaml = load(str(data_yaml)).digest, str(data_yaml)
    found = replace(outcome(run, [("trial-7", GHOST)]), data_file=yaml, data_yaml=yaml)
    found = replace(found, settings=changed(found.settings, data_digest=digest))
    write(found)
    hand_over(found)
    words = ["epochs=1", "batch=4", "device=cpu", "workers=0", "plots=False"]
    done = ghostnas("train", "run", *words, cwd=run.parents[1], timeout=400)
    assert done.returncode == 0, done.stderr
    told = done.stdout + done.stderr
    taken = re.search(r"Transferred (\d+)/(\d+) items", told)
    assert taken is not None and taken[1] == taken[2]
    assert f"starts from the search's own weights, {Path('results') / 'run' / 'best.pt'};" in told
    assert load_trained(run / "train" / "trial-7" / "weights" / "best.pt").epochs == 1


@pytest.mark.slow
def test_the_checkpoint_is_exported(run: Path, data_yaml: Path) -> None:
    from nas.export.exporter import export

    found = replace(outcome(run, [("trial-7", GHOST)]), data_file=str(data_yaml))
    write(found)
    hand_over(found)
    made = export(found.folder / "best.pt", "onnx", None, None, None)
    assert (made.path, made.imgsz) == (found.folder / "export" / "best.onnx", 64)
    assert (found.folder / "best.onnx").read_bytes() == MEASURED
    assert json.loads((found.folder / "run.json").read_text())["best"] == "trial-7"
