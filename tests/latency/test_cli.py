"""`ghostnas latency` and `ghostnas doctor` as a user runs them."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.cli import main
from nas.cli.latency import undecided
from nas.errors import LatencyError, ModelError, RuntimeMissing, Unmeasurable
from nas.latency.protocol.estimate import Calibration, Ratio
from nas.search.executors.cluster.nodes import Allotment, ClusterNode
from tests.latency.conftest import Ghostnas, measurable

Result = tuple[int | str | None, str, str]


@pytest.mark.measures
def test_json_then_the_table_from_the_cache(
    ghostnas: Ghostnas, calibrated: Calibration, one_cache: Path, tiny_onnx: Path
) -> None:
    words = ("latency", str(tiny_onnx), str(tiny_onnx), "--level", "screening")
    measured = _measured(ghostnas, *words, "--json", GHOSTNAS_CACHE=str(one_cache))
    first, second = json.loads(measured.stdout)
    assert first["model"] == second["model"] == str(tiny_onnx)
    for one in (first, second):
        assert 0 < one["latency_low_ms"] <= one["latency_ms"] <= one["latency_high_ms"]
        assert one["ratio"]["low"] <= one["ratio"]["value"] <= one["ratio"]["high"]
        assert one["age_s"] is None
        assert set(one["key"]) == {
            *("model", "device", "runtime", "runtime_version", "threads", "precision", "input_shape", "scope"),
            "statistic",
        }
    assert first["ratio"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert first["key"]["input_shape"] == [1, 3, 64, 64] and first["imgsz"] == 64
    assert first["calibration"] and first["slices"] >= 4 and first["processes"] == 1
    assert set(first["conditions"]) == {"clock", "memory", "slope", "ahead", "load"}

    table = _measured(ghostnas, *words, GHOSTNAS_CACHE=str(one_cache), COLUMNS="200")
    for text in ("1.000x", "onnxruntime", "float32", "compute only", "best case of a quiet device", "screening"):
        assert text in table.stdout
    # Measured anew only if the machine has turned out faster than it was calibrated.
    assert (f"{first['latency_ms']:.3f} ms" in table.stdout) == ("ago (--fresh measures)" in table.stdout)
    assert "measured now" in table.stdout or "ago (--fresh measures)" in table.stdout


def test_a_ratio_that_decides_little_says_so() -> None:
    sure, unsure = Ratio(1.03, 1.02, 1.04), Ratio(1.03, 0.98, 1.08)
    assert undecided([Ratio(1.0, 1.0, 1.0), sure]) == []
    (note,) = undecided([Ratio(1.0, 1.0, 1.0), sure, unsure])
    assert "known to ±4.9% only" in note and "--fresh" in note


@pytest.mark.measures
@pytest.mark.slow
def test_a_percentile_as_json(ghostnas: Ghostnas, tiny_onnx: Path, tmp_path: Path) -> None:
    words = ("latency", str(tiny_onnx), "--target-stat", "p95", "--sustained", "1s", "--json")
    (seen,) = json.loads(_measured(ghostnas, *words, GHOSTNAS_CACHE=str(tmp_path / "cache")).stdout)
    assert 0 < seen["latency_low_ms"] <= seen["latency_ms"] <= seen["latency_high_ms"]
    assert seen["key"]["statistic"] == "p95 of 1 s" and seen["ratio"] is None and seen["age_s"] is None
    # The same again is a cache hit; other words for it are not another thing.
    (again,) = json.loads(_measured(ghostnas, *words, GHOSTNAS_CACHE=str(tmp_path / "cache")).stdout)
    assert again["age_s"] >= 0 and again["latency_ms"] == seen["latency_ms"]


def _measured(ghostnas: Ghostnas, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    done = measurable(lambda: _unless_disturbed(ghostnas(*words, **environment)))
    assert done.returncode == 0, done.stderr
    return done


def _unless_disturbed(done: "subprocess.CompletedProcess[str]") -> "subprocess.CompletedProcess[str]":
    if done.returncode and "unmeasurable" in done.stderr:
        raise Unmeasurable(done.stderr)
    return done


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
        (("yolo11n.yaml", "--imgsz", "100"), "--imgsz must be a multiple of 32, from 32 to 8192, got 100"),
        (("yolo11n.yaml", "--precision", "bfloat16"), "bfloat16 runs in openvino, torch"),
        (("yolo11n.yaml", "--precision", "int3"), "got precision 'int3'"),
        (("yolo11n.yaml", "--level", "quick"), "level must be one of screening, finalist; got 'quick'"),
        (("yolo11n.yaml", "--level", "finalst"), "did you mean 'finalist'?"),
        (("yolo11n.yaml", "--scope", "all"), "scope must be one of compute, +copies, +nms; got 'all'"),
        (("yolo11n.yaml", "--scope", "+nms"), "+nms needs a trained model"),
        (("yolo11n.yaml", "--target-stat", "p99"), "statistic must be one of"),
        (("yolo11n.yaml", "--target-stat", "p95", "--preset", "ultralytics"), "give one of them"),
        (("yolo11n.yaml", "--preset", "trtexec"), "--preset must be ultralytics or mlperf-like, got 'trtexec'"),
        (("yolo11n.yaml", "--sustained", "60s"), "give --target-stat p50 or p95 too"),
        (("yolo11n.yaml", "--target-stat", "p95", "--sustained", "60"), "no unit"),
        (("yolo11n.yaml", "--device", "gpu"), "is no device"),
        (("yolo11n.yaml", "--device", "cuda"), "cuda:0"),
        (("yolo11n.yaml", "--runtime", "tensorrt"), "tensorrt runs on cuda"),
        (("model.tflite",), "must be a .yaml, .pt or .onnx file"),
    ],
)
def test_bad_input(in_process: Callable[..., Result], words: tuple[str, ...], message: str) -> None:
    code, output, error = in_process("latency", *words)
    assert (code, output) == (2, "")
    assert message in error


def test_a_runtime_that_is_not_installed(
    in_process: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The agent is a process of its own, and is told by its start-up file that there is no openvino.
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['openvino'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code, output, error = in_process("latency", "yolo11n.yaml", "--runtime", "openvino")
    assert (code, output) == (2, "")
    assert "pip install openvino" in error


def test_bad_input_leaves_no_traceback(ghostnas: Ghostnas) -> None:
    result = ghostnas("latency", "gone.yaml")
    assert result.returncode == 2
    assert result.stderr.startswith("ghostnas: there is no model file")
    assert "Traceback" not in result.stderr


@pytest.mark.slow
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
    monkeypatch.setattr("nas.cli.doctor.checked_runtimes", lambda: iter(()))
    code, _, error = in_process("doctor")
    assert code == 2
    assert "the default search cannot run here" in error
    assert "cannot write in" in error


def test_doctor_with_a_cluster(in_process: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.cli.doctor._findings", lambda: iter(()))
    found = Allotment((ClusterNode("a", "10.0.0.2", 2, None),), 0.0)
    monkeypatch.setattr("nas.search.look", lambda *_: found)
    code, output, error = in_process("doctor", "--ray-address", "10.0.0.2:6379")
    assert code == 0, output + error
    assert "2 trials at a time on 1 of 1 nodes" in output
    assert "ghostnas search --ray-address 10.0.0.2:6379 --budget 50" in output

    def broken(*_: object) -> None:
        raise ImportError("no such symbol")

    monkeypatch.setattr("nas.search.look", broken)
    code, _, error = in_process("doctor", "--ray-address", "10.0.0.2:6379")
    assert code == 2 and "Ray cluster: ImportError: no such symbol" in error


def test_doctor_tells_what_is_missing(in_process: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    lacking = {"ncnn": RuntimeMissing("no float16"), "torch": LatencyError("broken")}

    def run(runtime: str) -> str:
        if error := lacking.get(runtime):
            raise error
        return "ran"

    monkeypatch.setattr("nas.cli.doctor.runner_of", lambda runtime, *_: lambda: run(runtime))
    monkeypatch.setattr("nas.model.count", lambda model, imgsz: (_ for _ in ()).throw(ModelError("counted 0")))
    code, output, error = in_process("doctor")
    assert code == 2
    assert "not installed; pip install openvino" in output
    assert re.search(r"runtime ncnn, float16, cpu +│ - +│ no float16", output)
    assert re.search(r"runtime torch, bfloat16, cpu +│ fails +│ broken", output)
    assert "operation counter (thop): counted 0" in error
