"""One small stock model for the whole room, and a command line in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from nas.build import to_onnx
from nas.errors import LatencyError
from nas.latency import Subject
from nas.latency.models import load_module

T = TypeVar("T")

IMGSZ = 64
ROOT = Path(__file__).parents[2]

Ghostnas = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def tiny() -> Subject:
    """YOLO11n at 64 px, fused, as ONNX and as a module: about a millisecond a run."""
    module = load_module("yolo11n.yaml")
    return Subject(IMGSZ, to_onnx(module, IMGSZ), module)


@pytest.fixture(scope="session")
def tiny_onnx(tiny: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert tiny.onnx is not None
    path = tmp_path_factory.mktemp("onnx") / "yolo11n-64.onnx"
    path.write_bytes(tiny.onnx)
    return path


@pytest.fixture
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A child's environment without pytest's traces, which Ultralytics would act on."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


@pytest.fixture
def ghostnas(quiet_environment: dict[str, str], tmp_path: Path) -> Ghostnas:
    def run(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "nas", *words]
        return subprocess.run(
            command,
            env={**quiet_environment, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=180,
        )

    return run


def measurable(measurement: Callable[[], T], attempts: int = 4) -> T:
    """Measure again when the machine that runs the tests is too busy at that moment, as the error says."""
    for _ in range(attempts - 1):
        try:
            return measurement()
        except LatencyError as error:
            if "unmeasurable" not in str(error):
                raise
    return measurement()
