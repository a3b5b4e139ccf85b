"""Measuring in a new process: nothing that this process has loaded or allocated can colour the number.

The child is `python -m nas.latency.fresh`: a JSON request on its standard input, a JSON reply on its standard
output, no pickle. It gets an ONNX file and loads the runtime and nothing else; only the torch runtime builds
its module there.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import nas
from nas.errors import LatencyError, Unmeasurable
from nas.latency.models import export_onnx
from nas.latency.values import Latency, LatencySettings, Level
from nas.paths import cache_subdir
from nas.turnstile import Turnstile


def measure_fresh(
    path: Path | str,
    imgsz: int,
    settings: LatencySettings,
    *,
    level: Level = "finalist",
    target_ms: float | None = None,
    turnstile: Turnstile | None = None,
    timeout_s: float = 300.0,
) -> Latency:
    """Measure a model file in a process of its own.

    Not to be called inside `Turnstile.measuring()`: the child takes the turnstile itself.

    Args:
        path: An .onnx file, an Ultralytics YAML or .pt, or a stock name such as `yolo11n.yaml`.
        imgsz: Square input size in pixels.
        settings: Runtime, precision, threads, device.
        level: `screening` (±2%, about a second) or `finalist` (±1%, about five).
        target_ms: The latency limit; a screening ends early once the whole interval lies above it.
        turnstile: What keeps trainings out; by default the machine's one turnstile.
        timeout_s: The longest the child may take, waiting for trainings included.

    Raises:
        ModelError: The model is not there or cannot be built.
        RuntimeMissing: The runtime is not installed.
        Unmeasurable: The machine is too disturbed for now.
        LatencyError: The child could not measure; the message is the child's.
    """
    request = {
        "imgsz": imgsz,
        "settings": asdict(settings),
        "level": level,
        "target_ms": target_ms,
        "turnstile": str((turnstile or Turnstile()).path),
    }
    if Path(path).suffix == ".onnx":
        return _ask({**request, "onnx": str(Path(path).absolute())}, timeout_s)
    if settings.runtime == "torch":
        return _ask({**request, "model": str(path)}, timeout_s)
    with tempfile.TemporaryDirectory(dir=cache_subdir("latency")) as folder:
        file = Path(folder) / "model.onnx"
        file.write_bytes(export_onnx(path, imgsz))
        return _ask({**request, "onnx": str(file)}, timeout_s)


def _ask(request: dict[str, object], timeout_s: float) -> Latency:
    # -P keeps the current folder off the module path: a folder `nas` there must not be taken for this one.
    command = [sys.executable, "-P", "-m", "nas.latency.fresh"]
    home = str(Path(nas.__file__).resolve().parents[1])
    search_path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
    try:
        child = subprocess.run(
            command,
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, "PYTHONPATH": search_path},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LatencyError(f"the measuring process gave no answer within {timeout_s:g} s") from None
    try:
        reply = json.loads(child.stdout)
    except json.JSONDecodeError:
        last = child.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise LatencyError(f"the measuring process ended with code {child.returncode}: {last[0]}") from None
    if "error" in reply:
        raise (Unmeasurable if reply.get("disturbed") else LatencyError)(str(reply["error"]))
    return Latency.from_dict(reply["latency"])
