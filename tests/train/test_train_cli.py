"""`ghostnas train` and `ghostnas yolo` as commands, and what they pass on to Ultralytics."""

import json
import pickle
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from nas.architecture.ultralytics_yaml import to_yaml
from nas.cli.app import build_app
from nas.data.synthetic.embedded import write_set
from nas.errors import DataError, ModelError, UsageError
from nas.results.designs import Design, find_design
from nas.util.machine_lock import MachineLock
from tests.trained_run import GHOST, Run


@pytest.mark.slow
def test_a_training_ends_with_a_checkpoint_in_the_run(
    training: subprocess.CompletedProcess[str], trained: Path
) -> None:
    assert trained.is_file()
    assert f"best checkpoint: {trained}" in training.stdout
    arguments = (trained.parents[1] / "args.yaml").read_text()
    assert (trained.parents[1] / "losses.yaml").read_text() == "box_loss: giou\nclass_loss: bce\n"
    assert "imgsz: 64" in arguments and "epochs: 1" in arguments and "batch: 4" in arguments


@pytest.mark.slow
def test_yolo_knows_the_blocks_of_a_checkpoint(trained: Path, data_yaml: Path, tmp_path: Path) -> None:
    from nas.train.yolo_cli import run

    words = [f"model={trained}", f"data={data_yaml}", f"project={tmp_path}", "name=val"]
    run(["val", *words, "imgsz=64", "device=cpu", "workers=0", "plots=False"])
    assert (tmp_path / "val").is_dir()


def test_outputs_go_below_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ultralytics.utils import SETTINGS

    from nas.util.ultralytics_env import use_current_folder, without_trackers

    stored = SETTINGS.file.read_text()
    monkeypatch.chdir(tmp_path)
    use_current_folder()
    without_trackers()
    assert SETTINGS["runs_dir"] == str(tmp_path / "runs")
    assert not any(SETTINGS[name] for name in ("sync", "raytune", "mlflow", "comet"))
    assert SETTINGS.file.read_text() == stored


@pytest.mark.slow
def test_yolo_passes_its_words_and_its_errors_on(ghostnas: Run, tmp_path: Path) -> None:
    wrong = ghostnas("yolo", "trai", cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr.strip().startswith("ghostnas: yolo: 'trai' is not a valid YOLO argument")
    assert "Similar arguments" in wrong.stderr and "Traceback" not in wrong.stderr
    assert "yolo TASK MODE ARGS" not in wrong.stderr + wrong.stdout


def test_a_missing_checkpoint_is_not_looked_for_on_the_network() -> None:
    from nas.train.yolo_cli import run

    with pytest.raises(UsageError, match=r"no checkpoint nothing\.pt, and nothing is downloaded"):
        run(["val", "model=nothing.pt"])


def test_arguments_are_parsed_and_checked_before_anything_runs() -> None:
    from nas.train.arguments import parse_arguments

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
        (["split=test"], "is fixed by `ghostnas train`"),
    ):
        with pytest.raises(UsageError, match=message):
            parse_arguments(words)


def test_defaults_come_from_the_design_and_its_run(results: Path, data_yaml: Path, tmp_path: Path) -> None:
    from nas.train.arguments import complete

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


def test_a_source_and_a_teacher_become_arguments(results: Path, trained: Path) -> None:
    from nas.train.arguments import complete, with_teacher

    design = find_design("small", None, results)
    training = complete(design, {"epochs": 2}, trained)
    assert training.start is not None and "pretrained" not in training.arguments
    assert (training.start.source, training.start.imgsz, training.start.how.steps) == (trained, 64, 600)
    assert with_teacher(design, {}, trained) == {"distill_model": str(trained)}
    for asked in ({"pretrained": "other.pt"}, {"resume": True}):
        with pytest.raises(UsageError, match="give one of them"):
            complete(design, asked, trained)
    with pytest.raises(UsageError, match="give one of them"):
        with_teacher(design, {"distill_model": "other.pt"}, trained)


@pytest.fixture
def broken_off(tmp_path: Path, data_yaml: Path) -> Path:
    """The last.pt of a training of three epochs that was killed after the first."""
    import torch

    from nas.model.builder import build

    last = tmp_path / "train" / "mine" / "weights" / "last.pt"
    last.parent.mkdir(parents=True)
    kept = {"epochs": 3, "data": str(data_yaml), "save_dir": str(last.parents[1])}
    content = {"epoch": 0, "optimizer": {"state": {}}, "ema": build(to_yaml(GHOST, 6)), "train_args": kept}
    torch.save(content, last)
    return last


def test_a_training_goes_on_with_its_own_data(broken_off: Path, results: Path, data_yaml: Path) -> None:
    from nas.train.arguments import complete

    run = find_design("small", None, results)
    for design, resume in ((find_design(str(broken_off)), True), (run, str(broken_off))):
        going_on = complete(design, {"resume": resume})
        assert (going_on.model, going_on.data) == (broken_off, str(data_yaml))
        assert going_on.arguments == {"resume": str(broken_off)} and going_on.project == broken_off.parents[2]
    assert complete(run, {"resume": str(broken_off), "data": "other.yaml"}).data == "other.yaml"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"epoch": -1, "optimizer": None}, "lacks the epoch and the optimizer"),
        ({"optimizer": None}, "lacks the epoch and the optimizer"),
        ({"epoch": 2}, "lacks the epoch and the optimizer"),
        (None, "and .*best.yaml is none"),
    ],
)
def test_only_a_training_that_was_broken_off_is_resumed(
    broken_off: Path, results: Path, change: dict[str, object] | None, says: str
) -> None:
    import torch

    from nas.train.arguments import complete

    design = find_design("small", None, results)
    if change is not None:
        design = find_design(str(broken_off))
        torch.save({**torch.load(broken_off, weights_only=False), **change}, broken_off)
    with pytest.raises(UsageError, match=says):
        complete(design, {"resume": True})


def test_the_data_of_a_resumed_training_are_checked_first(broken_off: Path) -> None:
    from nas.train.arguments import complete
    from nas.train.trainer import train

    with pytest.raises(DataError, match=r"there is no data YAML nothing\.yaml"):
        train(complete(find_design(str(broken_off)), {"resume": True, "data": "nothing.yaml"}))


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """A data YAML whose `path:` names a folder beside it."""
    folder = tmp_path / "cells" / "images of cells"
    folder.mkdir(parents=True)
    write_set(folder, {"train": 6, "val": 3}, seed=1)
    text = (folder / "data.yaml").read_text()
    (folder / "data.yaml").unlink()
    file = folder.parent / "data.yaml"
    file.write_text("path: images of cells\n" + text)
    return file


@pytest.fixture
def small(tmp_path: Path) -> Design:
    """A design outside a run."""
    file = tmp_path / "design.yaml"
    file.write_text(to_yaml(GHOST, 6))
    return find_design(str(file))


@pytest.mark.parametrize(
    ("word", "says"),
    [("device=7", "Invalid CUDA 'device=7' requested"), ("optimizer=Foo", "Optimizer 'Foo' not found")],
)
def test_what_ultralytics_refuses_is_one_sentence(
    cells: Path, small: Design, tmp_path: Path, word: str, says: str
) -> None:
    from nas.train.arguments import complete, parse_arguments
    from nas.train.trainer import train

    words = [f"data={cells}", "epochs=1", "device=cpu", f"project={tmp_path / 'mine'}", "plots=False", word]
    with pytest.raises(UsageError, match=f"Ultralytics cannot begin this training: {says}") as refusal:
        train(complete(small, parse_arguments(words)))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("key", ["pretrained", "distill_model"])
def test_other_checkpoints_must_be_there(small: Design, key: str) -> None:
    from nas.train.arguments import complete

    with pytest.raises(ModelError, match=f"{key}=nothing.pt: there is no such checkpoint, and nothing is downloaded"):
        complete(small, {"data": "x.yaml", key: "nothing.pt"})


class Fails:
    """Ultralytics' YOLO whose training begins, leaves these files in `weights` and fails."""

    left: tuple[str, ...] = ()

    def __init__(self, *_: object, **__: object) -> None:
        self.begin: list[Callable[[object], None]] = []
        self.trainer: SimpleNamespace | None = None

    def add_callback(self, event: str, callback: Callable[[object], None]) -> None:
        if event == "on_train_start":
            self.begin.append(callback)

    def train(self, **arguments: object) -> None:
        weights = Path(str(arguments["project"])) / "weights"
        weights.mkdir(parents=True)
        self.trainer = SimpleNamespace(best=weights / "best.pt", last=weights / "last.pt")
        for callback in self.begin:
            callback(self.trainer)
        for name in self.left:
            (weights / name).touch()
        raise FileNotFoundError("labels.txt")


@pytest.mark.parametrize(
    ("left", "kind"), [((), ModelError), (("last.pt",), FileNotFoundError), (("best.pt",), FileNotFoundError)]
)
def test_a_training_left_no_checkpoint_only_where_there_is_none(
    cells: Path, small: Design, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: tuple[str, ...], kind: type
) -> None:
    from nas.train.arguments import complete
    from nas.train.trainer import train

    monkeypatch.setattr("ultralytics.YOLO", Fails)
    monkeypatch.setattr(Fails, "left", left)
    with pytest.raises(kind, match=r"labels\.txt") as failure:
        train(complete(small, {"data": str(cells), "project": str(tmp_path / "mine")}))
    assert ("the training left no checkpoint" in str(failure.value)) == (not left)


def test_the_next_command_runs_in_a_shell(cells: Path, small: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.train.trainer.train", lambda _: Path("my runs/best.pt"))
    told = CliRunner().invoke(build_app(), ["train", str(small.path), f"data={cells}"]).output
    assert shlex.split(told.partition("deploy it: ")[2])[-2:] == ["--weights", "my runs/best.pt"]


def test_every_batch_holds_the_lock(tmp_path: Path) -> None:
    from nas.train.callbacks import LockStepCallback

    lock = MachineLock(tmp_path / "lock")
    events = pickle.loads(pickle.dumps(LockStepCallback(lock)))
    measured = threading.Event()

    def measure() -> None:
        with lock.measuring():
            measured.set()

    events.enter(None)
    events.enter(None)  # a batch that failed and is tried again
    thread = threading.Thread(target=measure)
    thread.start()
    assert not measured.wait(0.2)
    events.leave(None)
    assert measured.wait(10)
    thread.join()


def test_on_several_devices_one_process_takes_the_lock_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process is a thread here. A measurement begins to wait between the first one's lock and the second's."""
    from nas.train.callbacks import LockStepCallback

    lock = MachineLock(tmp_path / "lock")
    together, waits, measured = threading.Barrier(2), threading.Event(), threading.Event()
    in_batch = threading.Semaphore(0)
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: int(threading.current_thread().name))
    monkeypatch.setattr("torch.distributed.barrier", lambda device_ids: together.wait(10))
    trainer = SimpleNamespace(device=torch.device("cpu"))

    def measure() -> None:
        waits.set()
        with lock.measuring():
            measured.set()

    def a_batch(events: LockStepCallback) -> None:
        if threading.current_thread().name == "1":
            assert waits.wait(10)
        events.enter_together(trainer)
        together.wait(10)  # gradients
        assert not measured.is_set()
        in_batch.release()
        events.leave_together(trainer)

    enter = LockStepCallback.enter

    def entered(events: LockStepCallback, trainer: object) -> None:
        enter(events, trainer)
        measurement.start()

    monkeypatch.setattr(LockStepCallback, "enter", entered)
    measurement = threading.Thread(target=measure)
    processes = [
        threading.Thread(target=a_batch, args=[LockStepCallback(lock)], name=rank, daemon=True) for rank in ("0", "1")
    ]
    for one in processes:
        one.start()
    for one in processes:
        one.join(20)
    assert in_batch.acquire(blocking=False) and in_batch.acquire(blocking=False)
    assert measured.wait(10)
    measurement.join()


def test_every_batch_of_a_training_passes_the_lock() -> None:
    from nas.train.callbacks import LockStepCallback

    events = LockStepCallback(MachineLock()).callbacks()
    assert {
        "on_train_batch_start",
        "on_train_batch_end",
        "on_val_batch_start",
        "on_val_batch_end",
    } <= events.keys()


def test_losses_are_asked_for_or_those_of_the_search(results: Path, tmp_path: Path) -> None:
    from nas.model.loss_names import Losses
    from nas.train.arguments import complete, parse_arguments

    words = parse_arguments(["epochs=1", "class_loss=focal"])
    design = find_design("small", None, results)
    asked = complete(design, words)
    assert asked.losses == Losses("focal", "ciou") and "class_loss" not in asked.arguments
    assert complete(design, {}).losses == Losses()
    run = tmp_path / "results" / "small"
    shutil.copytree(results / "small", run)
    known = json.loads((run / "run.json").read_text())
    known["settings"] |= {"class_loss": "focal", "box_loss": "giou"}
    (run / "run.json").write_text(json.dumps(known))
    searched = find_design("small", None, run.parent)
    assert complete(searched, {}).losses == Losses("focal", "giou")
    assert complete(searched, {"box_loss": "ciou"}).losses == Losses("focal", "ciou")
    with pytest.raises(UsageError, match="box loss must be ciou or giou, got 'l1'"):
        complete(design, parse_arguments(["box_loss=l1"]))
    with pytest.raises(UsageError, match="box_loss"):
        parse_arguments(["box_los=giou"])


def test_a_checkpoint_goes_on_with_its_losses(tmp_path: Path) -> None:
    from nas.model.loss_names import Losses
    from nas.train.arguments import losses_of

    last = tmp_path / "weights" / "last.pt"
    last.parent.mkdir()
    last.touch()
    assert losses_of(find_design(str(last)), {}) == Losses()
    (tmp_path / "losses.yaml").write_text("class_loss: focal\nbox_loss: giou\n")
    assert losses_of(find_design(str(last)), {}) == Losses("focal", "giou")
    assert losses_of(find_design(str(last)), {"class_loss": "bce"}) == Losses("bce", "giou")


def test_the_chosen_loss_takes_the_place_of_ultralytics(tmp_path: Path) -> None:
    from ultralytics.cfg import get_cfg

    from nas.model.builder import build
    from nas.model.loss_names import Losses
    from nas.model.losses import DetectionLoss
    from nas.train.callbacks import penalise

    model = build(
        "nc: 2\nreg_max: 1\nend2end: True\nbackbone:\n- [-1, 1, Conv, [8, 3, 2]]\nhead:\n"
        "- [[0], 1, SlimDetect, [nc, 8, 8]]\n"
    )
    model.args = get_cfg(overrides={"epochs": 11})
    trainer = SimpleNamespace(model=model, save_dir=tmp_path)
    penalise(Losses("focal"), trainer)
    assert (tmp_path / "losses.yaml").read_text() == "box_loss: ciou\nclass_loss: focal\n"
    assert isinstance(model.criterion.one2many, DetectionLoss) and model.criterion.updates == 0
    model.criterion.updates = 5  # as Ultralytics sets it when it resumes
    penalise(Losses("focal"), trainer)
    assert model.criterion.updates == 5 and model.criterion.o2m == pytest.approx(0.8 - 5 / 10 * 0.7)


def test_a_design_without_nms_is_validated_without(tmp_path: Path) -> None:
    from nas.train.arguments import complete

    design = tmp_path / "free.yaml"
    text = "nc: 2\nend2end: True\nbackbone:\n- [-1, 1, Conv, [8, 3, 2]]\nhead:\n- [[0], 1, SlimDetect, [nc, 64, 8]]\n"
    design.write_text(text)
    assert complete(find_design(str(design)), {"data": "x.yaml"}).arguments["nms"] is False
    design.write_text(text.replace("end2end: True\n", ""))
    assert "nms" not in complete(find_design(str(design)), {"data": "x.yaml"}).arguments


def test_a_training_in_a_folder_of_any_path_goes_through_a_link(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from nas.train.callbacks import write_through
    from nas.util.plain_path import plain_folder, plain_name, read_as_it_is

    project = tmp_path / "pro'ject %2F ? [1]*"
    project.mkdir()
    link = plain_folder(project)
    assert read_as_it_is(link) and not read_as_it_is(project) and link.resolve() == project.resolve()
    link.unlink()
    assert plain_folder(project) == link and link.is_symlink()  # the path stands in checkpoints
    assert plain_folder(tmp_path) == tmp_path
    trainer = SimpleNamespace(save_dir=project.resolve() / "first", args=SimpleNamespace(save_dir=""))
    write_through(link, trainer)
    assert trainer.best == link / "first" / "weights" / "best.pt"
    assert trainer.args.save_dir == str(link / "first")
    assert (plain_name("größe-1"), plain_name("de'sign %41")) == ("größe-1", "de-sign-41")


def test_a_name_that_ultralytics_cannot_read_is_refused(small: Design, cells: Path) -> None:
    from nas.train.arguments import complete

    with pytest.raises(UsageError, match="name=it's: Ultralytics cannot read such a folder's name"):
        complete(small, {"data": str(cells), "name": "it's"})
