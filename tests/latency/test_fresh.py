"""Measuring in a process of its own: JSON both ways, little loaded, failures passed on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nas.errors import LatencyError, ModelError
from nas.latency import LatencySettings, measure_fresh
from nas.latency.machine import fingerprint
from nas.turnstile import Turnstile
from tests.latency.conftest import IMGSZ, measurable


@pytest.mark.usefixtures("quiet_environment")
@pytest.mark.parametrize("runtime", ["onnxruntime", pytest.param("torch", marks=pytest.mark.slow)])
def test_a_stock_model(runtime: str) -> None:
    latency = measurable(lambda: measure_fresh("yolo11n.yaml", IMGSZ, LatencySettings(runtime), level="screening"))
    assert 0 < latency.low_ms <= latency.latency_ms <= latency.high_ms
    assert (latency.level, latency.imgsz, latency.settings) == ("screening", IMGSZ, LatencySettings(runtime))


def test_the_child_loads_no_torch_for_onnx(tiny_onnx: Path, quiet_environment: dict[str, str]) -> None:
    code = (
        "import sys, json; from nas.latency.fresh import answer; reply = answer(json.load(sys.stdin));"
        "print(json.dumps(['torch' in sys.modules, 'ultralytics' in sys.modules, reply]))"
    )
    request = {
        "imgsz": IMGSZ,
        "settings": {"runtime": "openvino"},
        "level": "screening",
        "target_ms": None,
        "turnstile": str(Turnstile().path),
        "onnx": str(tiny_onnx),
    }
    child = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(request),
        env=quiet_environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert child.returncode == 0, child.stderr
    torch, ultralytics, reply = json.loads(child.stdout)
    assert not torch
    assert not ultralytics
    assert "latency" in reply or "unmeasurable" in reply["error"]


def test_the_childs_error_is_passed_on(tiny_onnx: Path) -> None:
    with pytest.raises(LatencyError, match="the measurement needs"):
        measure_fresh(tiny_onnx, 96, LatencySettings())


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LatencyError, match="No such file"):
        measure_fresh(tmp_path / "gone.onnx", IMGSZ, LatencySettings())
    with pytest.raises(ModelError, match="no model file"):
        measure_fresh(tmp_path / "gone.yaml", IMGSZ, LatencySettings())


def test_no_answer_in_time(tiny_onnx: Path) -> None:
    with pytest.raises(LatencyError, match=r"no answer within 0\.01 s"):
        measure_fresh(tiny_onnx, IMGSZ, LatencySettings(), timeout_s=0.01)


def test_a_folder_named_nas_is_not_taken_for_ours(
    tiny_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nas").mkdir()
    (tmp_path / "nas" / "__init__.py").write_text("raise SystemExit('the wrong package')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LatencyError, match="the measurement needs"):
        measure_fresh(tiny_onnx, 96, LatencySettings())


def test_the_fingerprint_is_the_same_in_every_process(quiet_environment: dict[str, str]) -> None:
    code = "from nas.latency.machine import fingerprint; print(fingerprint())"
    child = subprocess.run(
        [sys.executable, "-c", code], env=quiet_environment, capture_output=True, text=True, check=True
    )
    assert child.stdout.strip() == fingerprint() != ""
