"""`ghostnas inherit` as a user calls it: the file it writes, and what it refuses in one line."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from nas.architecture.ultralytics_yaml import to_yaml
from nas.cli import main
from nas.data import DetectionData
from nas.space.reference_designs import yolo11

from ..proxy.conftest import small_data  # noqa: F401  (a fixture)
from .conftest import NC, detector, randomised

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ghostnas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process; returns its exit code and what it wrote to stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ghostnas", *map(str, arguments)])
        capsys.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        assert isinstance(code, int)
        return code, *capsys.readouterr()

    return run


def saved(model: nn.Module, path: Path) -> Path:
    torch.save({"model": model, "epoch": -1, "train_args": {"imgsz": 64}}, path)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source of half YOLO11n's width and a ghost design, in the current folder."""
    monkeypatch.chdir(tmp_path)
    model = randomised(detector(yolo11("n", 64, 0.5))).float()
    model.names = dict(enumerate(["red", "white", "platelet", "dust", "fibre"]))  # type: ignore[assignment]
    saved(model, tmp_path / "source.pt")
    design = replace(yolo11("n", 96, 0.25), reg_max=1, box_width=32)
    (tmp_path / "half.yaml").write_text(to_yaml(design, NC))
    return tmp_path


def test_the_file_is_an_ordinary_untrained_checkpoint(folder: Path, ghostnas: Run) -> None:
    from ultralytics import YOLO

    code, out, err = ghostnas("inherit", "source.pt", "half.yaml", "-o", "made/start.pt")
    assert (code, err) == (0, "")
    assert "source.pt -> made/start.pt: half, 96 px, 5 classes, untrained" in out
    assert "all" in out and "100%" in out
    loaded = YOLO("made/start.pt")
    assert loaded.names == {0: "red", 1: "white", 2: "platelet", 3: "dust", 4: "fibre"}
    assert loaded.overrides["imgsz"] == 96
    # Ultralytics builds the model anew from the YAML in the file, and then takes its weights by name and shape.
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils.torch_utils import intersect_dicts

    built = DetectionModel(loaded.model.yaml, nc=NC, verbose=False)
    weights = loaded.model.state_dict()
    assert len(intersect_dicts(weights, built.state_dict())) == len(weights) == len(built.state_dict())
    code, _, err = ghostnas("export", "--format", "onnx", "--weights", "made/start.pt")
    assert code == 2 and "no trace of a training" in err


@pytest.mark.slow
def test_one_of_its_own_files_is_replaced_and_no_other(folder: Path, ghostnas: Run) -> None:
    for _ in range(2):
        assert ghostnas("inherit", "source.pt", "half.yaml", "-o", "start.pt")[0] == 0
    before = (folder / "source.pt").read_bytes()
    code, _, err = ghostnas("inherit", "source.pt", "half.yaml", "--out", "source.pt")
    assert code == 2 and "source.pt is there already and not one of `ghostnas inherit`" in err
    assert (folder / "source.pt").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["half.yaml", "source.pt", "start.pt"]


@pytest.mark.slow
def test_a_part_without_a_counterpart_is_named(folder: Path, ghostnas: Run) -> None:
    code, out, _ = ghostnas("inherit", "source.pt", "ghostnetv2-n", "--out", "start.pt")
    assert code == 0
    assert "GhostBottleneckV2, where the source has C3k2" in out
    assert "80 of 80 classes are not among the source's" in out


@pytest.mark.slow
def test_with_data(folder: Path, ghostnas: Run, small_data: DetectionData) -> None:  # noqa: F811
    model = torch.load(folder / "source.pt", weights_only=False)["model"]
    model.names = dict(enumerate(small_data.names[:NC]))
    saved(model, folder / "known.pt")
    arguments = ("inherit", "known.pt", "half.yaml", "-o", "start.pt", "--data", small_data.source)
    code, out, err = ghostnas(*arguments, "--no-refit")
    assert code == 0, err
    assert "6 classes, untrained" in out and "importance: Taylor, on 68 training pictures at 96 px" in out
    assert "1 of 6 classes are not among the source's" in out
    model = torch.load(folder / "start.pt", weights_only=False)["model"]
    assert tuple(model.names.values()) == small_data.names


@pytest.mark.slow
def test_with_real_pictures(folder: Path, ghostnas: Run, bccd: Path) -> None:
    code, out, err = ghostnas("inherit", "source.pt", "half.yaml", "-o", "start.pt", "--data", bccd)
    assert code == 0, err
    assert "3 classes, untrained" in out and "importance: Taylor, on " in out
    model = torch.load(folder / "start.pt", weights_only=False)["model"]
    assert list(model.names.values()) == list(yaml.safe_load(bccd.read_text())["names"].values())


def _segmenter(folder: Path) -> None:
    from ultralytics.nn.tasks import SegmentationModel

    saved(SegmentationModel("yolo11n-seg.yaml", nc=1, verbose=False), folder / "bad.pt")


def _fused(folder: Path) -> None:
    from nas.model.builder import fused

    saved(fused(detector(yolo11("n", 64, 0.25))), folder / "bad.pt")  # type: ignore[arg-type]


def _diverged(folder: Path) -> None:
    model = detector(yolo11("n", 64, 0.25))
    model.model[0].conv.weight.data[0] = float("nan")  # type: ignore[index]
    saved(model, folder / "bad.pt")


def _text(folder: Path) -> None:
    (folder / "bad.pt").write_text("no checkpoint")


def _weights_alone(folder: Path) -> None:
    torch.save(detector(yolo11("n", 64, 0.25)).state_dict(), folder / "bad.pt")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_segmenter, "must end in a detection head"),
        (_fused, "the model is fused"),
        (_diverged, "not finite"),
        (_text, "not a readable checkpoint"),
        (_weights_alone, "not a readable checkpoint"),
        (None, "no checkpoint"),
    ],
)
def test_a_bad_source_is_refused(folder: Path, ghostnas: Run, make: Callable[[Path], None] | None, says: str) -> None:
    if make is not None:
        make(folder)
    code, _, err = ghostnas("inherit", "bad.pt", "half.yaml", "-o", "start.pt")
    assert code == 2 and says in err and "bad.pt" in err
    assert len(err.strip().splitlines()) == 1
    assert not (folder / "start.pt").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["half.yaml", "half.yaml", "-o", "a.pt"], "half.yaml is no checkpoint"),
        (["source.pt", "source.pt", "-o", "a.pt"], "source.pt is a checkpoint"),
        (["source.pt", "gone.yaml", "-o", "a.pt"], "gone.yaml"),
        (["source.pt", "yolo11-m9", "-o", "a.pt"], "did you mean 'yolo11-m'"),
        (["source.pt", "yolov6n.yaml", "-o", "a.pt"], "yolov6n.yaml: ConvTranspose2d is of another layout"),
        (["source.pt", "half.yaml", "-o", "a.onnx"], "--out must be a .pt file"),
        (["source.pt", "half.yaml", "-o", "half.yaml/a.pt"], "cannot write in"),
        (["source.pt", "half.yaml", "-o", "a.pt", "--trial", "3"], "--trial 3 needs a run's name"),
        (["source.pt", "half.yaml", "-o", "a.pt", "--refit"], "--refit and --no-refit need pictures"),
        (["source.pt", "half.yaml", "-o", "a.pt", "--data", "gone.yaml"], "there is no data YAML gone.yaml"),
    ],
)
def test_bad_input_is_one_line(folder: Path, ghostnas: Run, arguments: list[str], says: str) -> None:
    before = sorted(folder.iterdir())
    code, _, err = ghostnas("inherit", *arguments)
    assert code == 2 and says in err
    assert len(err.strip().splitlines()) == 1
    assert sorted(folder.iterdir()) == before
