"""`ghostnas latency` and `ghostnas doctor` as a user runs them."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.cli import main
from nas.errors import ModelError
from tests.latency.conftest import Ghostnas

Result = tuple[int | str | None, str, str]


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


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """The command in this process, which has loaded torch already: exit code, output, error output."""

    def run(*words: str) -> Result:
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["ghostnas", *words])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gone.yaml",), "there is no model file 'gone.yaml'"),
        (("yolo11n.yaml", "--runtime", "onnxruntme"), "did you mean 'onnxruntime'?"),
        (("yolo11n.yaml", "--threads", "0"), "threads must be at least 1, got 0"),
        (("yolo11n.yaml", "--imgsz", "100"), "--imgsz must be a multiple of 32, got 100"),
        (("yolo11n.yaml", "--precision", "bfloat16"), "bfloat16 runs in openvino, torch"),
        (("yolo11n.yaml", "--level", "quick"), "level must be one of"),
    ],
)
def test_bad_input(in_process: Callable[..., Result], words: tuple[str, ...], message: str) -> None:
    code, output, error = in_process("latency", *words)
    assert (code, output) == (2, "")
    assert message in error


def test_a_runtime_that_is_not_installed(in_process: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    code, output, error = in_process("latency", "yolo11n.yaml", "--runtime", "openvino")
    assert (code, output) == (2, "")
    assert 'pip install "ghostnas[openvino]"' in error


def test_bad_input_leaves_no_traceback(ghostnas: Ghostnas) -> None:
    result = ghostnas("latency", "gone.yaml")
    assert result.returncode == 2
    assert result.stderr.startswith("ghostnas: there is no model file")
    assert "Traceback" not in result.stderr


def test_doctor(in_process: Callable[..., Result]) -> None:
    code, output, error = in_process("doctor")
    assert code == 0, output + error
    for text in ("cache folder", "ultralytics-thop", "GFLOPs", "runtime torch, float32, cpu"):
        assert text in output
    assert "The default search can run" in output


def test_doctor_with_a_cache_that_cannot_be_written(
    in_process: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path / "file"))
    code, _, error = in_process("doctor")
    assert code == 2
    assert "the default search cannot run here" in error
    assert "cannot write in" in error


def test_doctor_tells_what_is_missing(in_process: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr("nas.build.count", lambda model, imgsz: (_ for _ in ()).throw(ModelError("counted 0")))
    code, output, error = in_process("doctor")
    assert code == 2
    assert 'not installed; pip install "ghostnas[openvino]"' in output
    assert "operation counter (thop): counted 0" in error
