"""Deployable files: exported by Ultralytics, checked on real pictures; untrained models refused."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from ultralytics.nn.tasks import DetectionModel

from nas.data import load
from nas.errors import ModelError, UsageError
from nas.export import exporter as exporting
from nas.export.exporter import export, relative_difference
from nas.export.formats import FORMATS, find_format
from nas.export.reduced import FLOAT16_MAY_LOSE, check_precision, reduced_maps
from nas.model.checkpoints import load_trained
from nas.model.onnx import deployable
from tests.trained_run import Run

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning:torch"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "made"), [("onnx", "best.onnx"), ("openvino", "best_openvino_model")])
def test_an_exported_file_answers_as_torch_does(
    trained: Path, data_yaml: Path, tmp_path: Path, name: str, made: str
) -> None:
    result = export(trained, name, tmp_path, None, str(data_yaml))
    assert result.path == tmp_path / made and result.path.exists()
    assert (result.imgsz, result.pictures) == (64, 4)
    assert 0 <= result.difference < result.tolerance
    assert [path.name for path in trained.parent.iterdir() if path.suffix == ".onnx"] == []


@pytest.mark.slow
def test_a_float16_file_is_half_as_large_and_scores_as_torch_does(
    trained: Path, data_yaml: Path, tmp_path: Path
) -> None:
    whole = export(trained, "onnx", tmp_path / "whole", None, str(data_yaml))
    half = export(trained, "onnx", tmp_path / "half", None, str(data_yaml), "float16")
    assert half.path.stat().st_size < 0.7 * whole.path.stat().st_size
    assert half.precision == "float16" and whole.difference < half.difference
    assert whole.maps is None and half.maps is not None
    assert half.maps[0] == pytest.approx(half.maps[1], abs=FLOAT16_MAY_LOSE)


def test_a_float16_file_that_scores_less_is_refused_and_an_int8_file_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.export.reduced._map", lambda run, *_: run)
    data = SimpleNamespace(val=None, name="cells")
    assert reduced_maps(0.495, 0.5, "float16", data, 64) == (0.495, 0.5)  # type: ignore[arg-type]
    assert reduced_maps(0.1, 0.5, "int8", data, 64) == (0.1, 0.5)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"mAP50-95 0\.480 on val of cells, torch 0\.500 \(allowed: 0\.01 less\)"):
        reduced_maps(0.48, 0.5, "float16", data, 64)  # type: ignore[arg-type]


@pytest.mark.slow
def test_an_int8_file_is_scored_and_needs_the_classes_of_its_data(
    trained: Path, data_yaml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where the quantiser may write
    made = export(trained, "onnx", tmp_path, None, str(data_yaml), "int8")
    assert b"QuantizeLinear" in made.path.read_bytes()
    assert made.maps is not None and all(0 <= one <= 1 for one in made.maps)
    made.path.unlink()
    known = yaml.safe_load(data_yaml.read_text())
    other = data_yaml.with_name("other.yaml")
    other.write_text(yaml.safe_dump({**known, "names": [*known["names"], "another"]}))
    with pytest.raises(UsageError, match=r"give its data set with --data"):
        export(trained, "onnx", tmp_path, None, str(other), "int8")


def test_a_precision_goes_with_onnx_alone() -> None:
    check_precision("float32", "openvino")
    check_precision("int8", "onnx")
    with pytest.raises(UsageError, match="float16 goes with --format onnx, got engine"):
        check_precision("float16", "engine")
    with pytest.raises(UsageError, match="must be one of float32, float16, int8; got 'half'"):
        check_precision("half", "onnx")


@pytest.mark.slow
def test_a_file_that_answers_otherwise_is_not_kept(
    trained: Path, data_yaml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = exporting.onnx_run
    monkeypatch.setattr(
        "nas.export.exporter.onnx_run", lambda made: lambda picture: run(made)(picture) * np.float32("nan")
    )
    with pytest.raises(ModelError, match="the onnx file differs from torch by inf"):
        export(trained, "onnx", tmp_path, None, str(data_yaml))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_graph_is_the_rewritten_one_and_an_unequal_one_is_not_written(
    trained: Path, data_yaml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = export(trained, "onnx", tmp_path, None, str(data_yaml)).path
    assert b"/by/parts.0/Conv" in graph.read_bytes()
    graph.unlink()

    def unequal(model: DetectionModel, imgsz: int) -> DetectionModel:
        lean = deployable(model, imgsz)
        lean.model[0].conv.weight.data *= 1.00001
        return lean

    monkeypatch.setattr("nas.model.deployable", unequal)
    with pytest.raises(ModelError, match=r"the graph to export differs from best\.pt by .* in float64"):
        export(trained, "onnx", tmp_path, None, str(data_yaml))
    assert list(tmp_path.iterdir()) == []


def test_the_difference_is_relative_for_boxes_and_absolute_for_scores() -> None:
    box, score = np.float32([[100.0]]), np.float32([[0.01]])
    assert relative_difference(box + np.float32(0.1), box) == pytest.approx(1e-3, rel=1e-3)
    assert relative_difference(score + np.float32(1e-3), score) == pytest.approx(1e-3, rel=1e-3)
    with pytest.raises(ModelError, match="answers with shape"):
        relative_difference(box, np.float32([1.0, 2.0]))


def test_a_trained_checkpoint_says_how_it_was_trained(trained: Path, data_yaml: Path) -> None:
    checkpoint = load_trained(trained)
    assert (checkpoint.imgsz, checkpoint.epochs) == (64, 1)
    assert checkpoint.data is not None and load(checkpoint.data).digest == load(str(data_yaml)).digest


def test_untrained_models_are_refused(results: Path, tmp_path: Path) -> None:
    import torch
    from ultralytics import YOLO

    design = results / "small" / "best.yaml"
    with pytest.raises(ModelError, match="is a design, not a trained model"):
        load_trained(design)
    saved = tmp_path / "saved.pt"
    YOLO(str(design)).save(str(saved))
    with pytest.raises(ModelError, match="no trace of a training"):
        load_trained(saved)
    weights = tmp_path / "trial-0.pt"
    torch.save({"weight": torch.zeros(3)}, weights)
    with pytest.raises(ModelError, match="short trainings cannot be deployed"):
        load_trained(weights)
    text = tmp_path / "text.pt"
    text.write_text("not a checkpoint")
    with pytest.raises(ModelError, match="is not a readable checkpoint"):
        load_trained(text)
    with pytest.raises(ModelError, match="there is no checkpoint"):
        load_trained(tmp_path / "nothing.pt")


def test_formats_are_suggested_and_missing_packages_named() -> None:
    assert find_format("ONNX") is FORMATS["onnx"]
    with pytest.raises(UsageError, match="did you mean 'onnx'"):
        find_format("onx")
    with pytest.raises(UsageError, match="ghostnas yolo export"):
        find_format("hailo")
    missing = [known for known in FORMATS.values() if known.name in ("paddle", "executorch")]
    with pytest.raises(UsageError, match="pip install"):
        for known in missing:
            find_format(known.name)


def test_input_sizes_that_no_stride_divides_are_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="multiple of 32"):
        export(trained, "onnx", tmp_path, 100, None)


def test_the_options_of_bundle_and_file_are_not_mixed(ghostnas: Run, results: Path) -> None:
    home = results.parent
    for words, message in (
        (("export", "small"), "--to DIR"),
        (("export", "--format", "onnx"), "add --weights best.pt"),
        (("export", "--weights", "best.pt"), "add --format onnx"),
    ):
        done = ghostnas(*words, cwd=home)
        assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
