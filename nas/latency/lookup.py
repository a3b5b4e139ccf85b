"""Latencies of model files, served from the cache where it has them."""

from dataclasses import dataclass, replace

from nas.errors import UsageError
from nas.latency import cache
from nas.latency.fresh_process import measure_fresh
from nas.latency.local import key
from nas.latency.models import DEFAULT_IMGSZ, ModelFile, own_imgsz
from nas.latency.values import Latency, LatencySettings, Level

_STRIDE = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """A model file's latency.

    Attributes:
        latency: The latency; the model of its key is the digest of the file.
        age_s: How long ago it was measured, where it comes from the cache; None when it was measured now.
    """

    latency: Latency
    age_s: float | None


def choose_imgsz(model: ModelFile, wanted: int | None, runtime: str) -> int:
    """The input size to measure at: the one asked for, else the file's own, else 640.

    Args:
        model: The model file.
        wanted: Square input size in pixels, if the user gave one.
        runtime: The runtime.

    Raises:
        UsageError: The file cannot be measured at that size or in that runtime.
        ModelError: The file cannot be read.
    """
    is_onnx = model.path.suffix.lower() == ".onnx"
    if is_onnx and runtime == "torch":
        raise UsageError(f"runtime torch measures a .yaml or .pt file, got {model.name!r}")
    if wanted is not None and (wanted < _STRIDE or wanted % _STRIDE):
        raise UsageError(f"--imgsz must be a multiple of {_STRIDE}, got {wanted}")
    if not is_onnx:
        return wanted or own_imgsz(model) or DEFAULT_IMGSZ
    fixed = own_imgsz(model)
    if fixed and wanted and fixed != wanted:
        raise UsageError(f"{model.name} was exported at imgsz {fixed} and takes no other, got --imgsz {wanted}")
    return fixed or wanted or DEFAULT_IMGSZ


def latency_of(
    model: ModelFile, imgsz: int, settings: LatencySettings, level: Level = "finalist", *, fresh: bool = False
) -> Answer:
    """A model file's latency from the cache, or measured in a new process and kept.

    Args:
        model: The model file.
        imgsz: Square input size in pixels.
        settings: Runtime, precision, threads, device.
        level: `screening` or `finalist`.
        fresh: Measure even when the cache has it.

    Raises:
        ModelError: The model cannot be built or exported.
        LatencyError: It could not be measured, or its runtime is not installed.
    """
    wanted = dict(key(model.digest, imgsz, settings))
    found = None if fresh else cache.find(wanted, level)
    if found is not None:
        return Answer(*found)
    # A stock YAML goes by its name: its scale letter is not in its file's name.
    source = model.path if model.path.suffix.lower() == ".onnx" else model.name
    measured = replace(measure_fresh(source, imgsz, settings, level=level), key=wanted)
    cache.keep(measured)
    return Answer(measured, None)
