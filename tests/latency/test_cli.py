"""`ghostnas latency` and `ghostnas doctor` as a user runs them."""

import json
from pathlib import Path

import pytest

from tests.latency.conftest import Ghostnas


def test_json_then_the_table_from_the_cache(ghostnas: Ghostnas, tiny_onnx: Path, tmp_path: Path) -> None:
    words = ("latency", str(tiny_onnx), str(tiny_onnx), "--level", "screening")
    for _ in range(4):
        measured = ghostnas(*words, "--json", GHOSTNAS_CACHE=str(tmp_path / "cache"))
        if "unmeasurable" not in measured.stderr:
            break
    assert measured.returncode == 0, measured.stderr
    first, second = json.loads(measured.stdout)
    assert first["model"] == str(tiny_onnx)
    assert 0 < first["latency_low_ms"] <= first["latency_ms"] <= first["latency_high_ms"]
    assert first["age_s"] is None
    assert second["age_s"] >= 0
    assert second["latency_ms"] == first["latency_ms"]
    assert set(first["key"]) == {
        *("model", "device", "runtime", "runtime_version", "threads", "precision", "input_shape", "scope")
    }
    assert first["key"]["input_shape"] == [1, 3, 64, 64]

    table = ghostnas(*words, GHOSTNAS_CACHE=str(tmp_path / "cache"), COLUMNS="200")
    assert table.returncode == 0, table.stderr
    for text in (
        f"{first['latency_ms']:.3f} ms",
        "1.00x",
        "ago (--fresh measures)",
        "onnxruntime",
        "float32",
    ):
        assert text in table.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gone.yaml",), "there is no model file 'gone.yaml'"),
        (("yolo11n.yaml", "--runtime", "onnxruntme"), "did you mean 'onnxruntime'?"),
        (("yolo11n.yaml", "--threads", "0"), "threads must be at least 1, got 0"),
        (("yolo11n.yaml", "--imgsz", "100"), "--imgsz must be a multiple of 32, got 100"),
        (("yolo11n.yaml", "--level", "quick"), "level must be one of"),
    ],
)
def test_bad_input(ghostnas: Ghostnas, words: tuple[str, ...], message: str) -> None:
    result = ghostnas("latency", *words)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_doctor(ghostnas: Ghostnas) -> None:
    result = ghostnas("doctor", COLUMNS="200")
    assert result.returncode == 0, result.stdout + result.stderr
    for text in (
        "cache folder",
        "ultralytics-thop",
        "GFLOPs",
        "runtime onnxruntime, float32, cpu",
        "runtime torch",
    ):
        assert text in result.stdout
    assert "The default search can run" in result.stdout


def test_doctor_with_a_cache_that_cannot_be_written(ghostnas: Ghostnas, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = ghostnas("doctor", GHOSTNAS_CACHE=str(tmp_path / "file"))
    assert result.returncode == 2
    assert "cannot write in" in result.stderr
    assert "Traceback" not in result.stderr
