"""`ghostnas train` and `ghostnas yolo` as commands, and what they pass on to Ultralytics."""

import pickle
import subprocess
import threading
from pathlib import Path

import pytest

from nas.designs import find_design
from nas.errors import UsageError
from nas.turnstile import Turnstile
from tests.export.conftest import Run


def test_a_training_ends_with_a_checkpoint_in_the_run(
    training: subprocess.CompletedProcess[str], trained: Path
) -> None:
    assert trained.is_file()
    assert f"best checkpoint: {trained}" in training.stdout
    arguments = (trained.parents[1] / "args.yaml").read_text()
    assert "imgsz: 64" in arguments and "epochs: 1" in arguments and "batch: 4" in arguments


def test_yolo_knows_the_blocks_of_a_checkpoint(trained: Path, data_yaml: Path, tmp_path: Path) -> None:
    from nas.yolo import run

    words = [f"model={trained}", f"data={data_yaml}", f"project={tmp_path}", "name=val"]
    run(["val", *words, "imgsz=64", "device=cpu", "workers=0", "plots=False"])
    assert (tmp_path / "val").is_dir()


def test_outputs_go_below_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ultralytics.utils import SETTINGS

    from nas.ultralytics_home import use_current_folder, without_trackers

    stored = SETTINGS.file.read_text()
    monkeypatch.chdir(tmp_path)
    use_current_folder()
    without_trackers()
    assert SETTINGS["runs_dir"] == str(tmp_path / "runs")
    assert not any(SETTINGS[name] for name in ("sync", "raytune", "mlflow", "comet"))
    assert SETTINGS.file.read_text() == stored


def test_yolo_passes_its_words_and_its_errors_on(ghostnas: Run, tmp_path: Path) -> None:
    wrong = ghostnas("yolo", "trai", cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr.strip().startswith("ghostnas: yolo: 'trai' is not a valid YOLO argument")
    assert "Similar arguments" in wrong.stderr and "Traceback" not in wrong.stderr
    assert "yolo TASK MODE ARGS" not in wrong.stderr + wrong.stdout


def test_a_missing_checkpoint_is_not_looked_for_on_the_network() -> None:
    from nas.yolo import run

    with pytest.raises(UsageError, match=r"no checkpoint nothing\.pt, and nothing is downloaded"):
        run(["val", "model=nothing.pt"])


def test_arguments_are_parsed_and_checked_before_anything_runs() -> None:
    from nas.training import parse_arguments

    assert parse_arguments(["epochs=3", "lr0=0.01", "cos_lr", "name=x"]) == {
        "epochs": 3,
        "lr0": 0.01,
        "cos_lr": True,
        "name": "x",
    }
    for words, message in (
        (["epoch=3"], "'epoch' is not a valid YOLO argument.*epochs"),
        (["epochs=many"], "must be an int"),
        (["epochs="], "cannot read"),
        (["100"], "key=value"),
        (["model=yolo11n.pt"], "is fixed by `ghostnas train`"),
    ):
        with pytest.raises(UsageError, match=message):
            parse_arguments(words)


def test_defaults_come_from_the_design_and_its_run(results: Path, data_yaml: Path, tmp_path: Path) -> None:
    from nas.training import complete

    design = find_design("small", None, results)
    known = complete(design, {})
    assert known.data == str(data_yaml)
    assert known.arguments["imgsz"] == 64
    assert Path(known.arguments["project"]) == (results / "small" / "train").absolute()
    asked = complete(design, {"imgsz": 96, "data": "other.yaml", "project": "mine"})
    assert (asked.data, asked.arguments["imgsz"]) == ("other.yaml", 96)
    assert Path(asked.arguments["project"]) == Path("mine").absolute()
    alone = tmp_path / "design.yaml"
    alone.write_text(design.path.read_text())
    with pytest.raises(UsageError, match=r"data=DATA\.yaml"):
        complete(find_design(str(alone)), {})


def test_every_batch_holds_the_turnstile(tmp_path: Path) -> None:
    from nas.training import StepGate

    turnstile = Turnstile(tmp_path / "turnstile")
    gate = pickle.loads(pickle.dumps(StepGate(turnstile)))
    measured = threading.Event()

    def measure() -> None:
        with turnstile.measuring():
            measured.set()

    gate.enter(None)
    gate.enter(None)  # a batch that failed and is tried again
    thread = threading.Thread(target=measure)
    thread.start()
    assert not measured.wait(0.2)
    gate.leave(None)
    assert measured.wait(10)
    thread.join()


def test_every_batch_of_a_training_passes_the_turnstile() -> None:
    from nas.training import StepGate

    events = StepGate(Turnstile()).callbacks()
    assert {
        "on_train_batch_start",
        "on_train_batch_end",
        "on_val_batch_start",
        "on_val_batch_end",
    } <= events.keys()
