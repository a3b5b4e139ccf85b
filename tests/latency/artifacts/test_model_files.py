"""Model files: found by path or stock name, with the input size they state."""

from pathlib import Path

import pytest

from nas.architecture.ultralytics_yaml import to_yaml
from nas.errors import ModelError, UsageError
from nas.latency.artifacts.model_files import find_model, own_imgsz
from nas.latency.model_latencies import choose_imgsz
from nas.space.reference_designs import yolo11


def test_a_stock_name() -> None:
    small, nano = find_model("yolo11s.yaml"), find_model("yolo11n.yaml")
    assert small.path == nano.path
    assert small.path.name == "yolo11.yaml"
    assert small.digest != nano.digest
    assert choose_imgsz(nano, None, "onnxruntime") == 640
    assert choose_imgsz(nano, 96, "onnxruntime") == 96


def test_our_yaml_states_its_size(tmp_path: Path) -> None:
    path = tmp_path / "trial.yaml"
    path.write_text(to_yaml(yolo11("n", 160)))
    model = find_model(str(path))
    assert choose_imgsz(model, None, "onnxruntime") == 160
    assert choose_imgsz(model, 96, "onnxruntime") == 96


@pytest.mark.parametrize("name", ["a" * 300 + ".onnx", "a\0b.onnx"])
def test_a_name_that_no_file_can_have(name: str) -> None:
    with pytest.raises(ModelError, match="model file"):
        find_model(name)


def test_an_onnx_file_has_its_own_size(tiny_onnx: Path) -> None:
    model = find_model(str(tiny_onnx))
    assert choose_imgsz(model, None, "onnxruntime") == 64
    with pytest.raises(UsageError, match="exported at imgsz 64 and takes no other"):
        choose_imgsz(model, 96, "onnxruntime")
    with pytest.raises(UsageError, match=r"torch measures a \.yaml or \.pt"):
        choose_imgsz(model, None, "torch")


def test_a_checkpoint_states_the_size_it_was_trained_at(tmp_path: Path) -> None:
    import torch

    from nas.model.builder import load_model

    path = tmp_path / "best.pt"
    torch.save({"model": load_model("yolo11n.yaml").half(), "train_args": {"imgsz": 96}}, path)
    assert own_imgsz(find_model(str(path))) == 96


@pytest.mark.parametrize("name", ["gone.yaml", "gone.onnx", "yolo11n.pt", "folder/yolo11n.yaml"])
def test_a_file_that_is_not_there(name: str) -> None:
    with pytest.raises(ModelError, match="there is no model file"):
        find_model(name)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must be a \.yaml, \.pt or \.onnx file"):
        find_model("model.tflite")
    for name in ("broken.onnx", "broken.yaml"):
        (tmp_path / name).write_bytes(b"\x00{\xff")
        with pytest.raises(ModelError, match="not a readable"):
            own_imgsz(find_model(str(tmp_path / name)))
