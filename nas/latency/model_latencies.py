"""Latencies of model files, served from the cache where it has them."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nas.data import QUANTISED_WITH, sample_pictures
from nas.errors import LatencyError, ModelError, Unmeasurable, UsageError
from nas.latency import cache
from nas.latency.artifacts.model_bytes import ModelBytes, SizedModel
from nas.latency.artifacts.model_files import DEFAULT_IMGSZ, ModelFile, own_imgsz
from nas.latency.artifacts.prepare import prepare
from nas.latency.measure import Comparison, LatencyDevice
from nas.latency.measurement_retry import repeat_until_precise
from nas.latency.runtimes.plain_words import TRY
from nas.latency.types import LatencySettings, Level
from nas.util.image_size import LARGEST, STRIDE, fits
from nas.util.machine_lock import MachineLock

NMS_PICTURES = 16
"""Pictures that a `+nms` measurement detects in, one after the other."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Model files' latencies.

    Attributes:
        found: The latencies; the model of each key is the digest of the file.
        age_s: How long ago they were measured, where they come from the cache; None when they were measured now.
    """

    found: Comparison
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
    if model.onnx is not None and runtime.startswith("torch"):
        raise UsageError(f"runtime {runtime} measures a .yaml or .pt file, got {model.name!r}")
    if wanted is not None and not fits(wanted):
        raise UsageError(f"--imgsz must be a multiple of {STRIDE}, from {STRIDE} to {LARGEST}, got {wanted}")
    if model.onnx is None:
        return wanted or own_imgsz(model) or DEFAULT_IMGSZ
    fixed = own_imgsz(model)
    if fixed and wanted and fixed != wanted:
        raise UsageError(f"{model.name} was exported at imgsz {fixed} and takes no other, got --imgsz {wanted}")
    return fixed or wanted or DEFAULT_IMGSZ


def latencies_of(
    models: Sequence[ModelFile],
    sizes: Sequence[int],
    device: LatencyDevice,
    level: Level = "finalist",
    *,
    fresh: bool = False,
    data: str | None = None,
    notice: Callable[[str], None] = lambda text: None,
) -> Answer:
    """Model files' latencies, from the cache or measured together in new processes and kept.

    Args:
        models: The model files.
        sizes: Input size of each.
        device: Where and with what.
        level: `screening` or `finalist`.
        fresh: Measure even when the cache has them.
        data: Data YAML whose pictures int8 is calibrated with and +nms detects in; the embedded set by default.
        notice: Called with one line when a finalist measurement is made again because it was not sure.

    Raises:
        ModelError: A model cannot be built or exported.
        LatencyError: A model could not be measured, or the runtime is not installed.
    """
    settings = device.settings
    if settings.scope == "+nms":
        _check_trained(models)
    quantising = [
        sample_pictures(data, size, QUANTISED_WITH, "train") if settings.precision == "int8" else None for size in sizes
    ]
    seen = [sample_pictures(data, size, NMS_PICTURES, "val") for size in sizes if settings.scope == "+nms"]
    keys = [
        {**device.key(model.digest, size), **pictures_key([with_, *seen[place : place + 1]])}
        for place, (model, size, with_) in enumerate(zip(models, sizes, quantising, strict=True))
    ]

    def files_of() -> list[SizedModel]:
        with MachineLock().training():  # building and quantising keep a core busy
            files = [
                SizedModel(_prepared(model, size, settings, pictures), size)
                for model, size, pictures in zip(models, sizes, quantising, strict=True)
            ]
            _check_that_they_run(models, files, device)
        return files

    # A model that cannot be built is said before the device is calibrated, which takes seconds.
    new = files_of() if fresh or not cache.known(keys, level) else None
    calibrated = device.calibrated()
    if new is None:
        identity = "" if calibrated.calibration is None else calibrated.calibration.identity
        kept = cache.find(keys, level, identity)
        if kept is not None:
            return Answer(*kept)
    files = files_of() if new is None else new
    device.close()  # fresh processes measure

    def measure() -> Comparison:
        return calibrated.compare(files, level=level, pictures=seen)

    sure = level == "finalist" and settings.statistic == "quiet"
    measured = repeat_until_precise(measure, lambda one: one.width, notice=notice) if sure else measure()
    latencies = tuple(replace(one, key=key) for one, key in zip(measured.latencies, keys, strict=True))
    answer = replace(measured, latencies=latencies)
    cache.keep(answer)
    return Answer(answer, None)


def _prepared(
    model: ModelFile, size: int, settings: LatencySettings, pictures: NDArray[np.float32] | None
) -> ModelBytes:
    try:
        return prepare(model, size, settings, pictures)
    except ModelError as error:
        if model.onnx is None:  # its messages name it
            raise
        raise ModelError(f"{model.name}: {error}") from error


def _check_that_they_run(models: Sequence[ModelFile], files: Sequence[SizedModel], device: LatencyDevice) -> None:
    """Run each ONNX file of a user once: what a runtime says against one does not tell which of several it is.

    Raises:
        LatencyError: One does not run; the message names it.
    """
    for model, file in zip(models, files, strict=True):
        if model.onnx is None:
            continue
        try:
            device.run_once(file)
        except Unmeasurable as error:  # it ended the agent, and would do so again
            raise LatencyError(f"{model.name} ends runtime {device.settings.runtime}: {error}; {TRY}") from error
        except LatencyError as error:
            raise type(error)(f"{model.name}: {error}") from error


def pictures_key(used: Sequence[NDArray[np.float32] | None]) -> dict[str, str]:
    """A digest of the pictures that a latency hangs on, where it does."""
    arrays = [one.tobytes() for one in used if one is not None]
    return {"pictures": hashlib.sha256(b"".join(arrays)).hexdigest()} if arrays else {}


def _check_trained(models: Sequence[ModelFile]) -> None:
    """How long NMS takes depends on the detections, so a YAML, whose weights are random, has no such latency."""
    for model in models:
        if model.path.suffix.lower() in (".yaml", ".yml"):
            raise UsageError(
                f"scope +nms needs a trained model (.pt or .onnx), got {model.name!r}, whose weights would be random; "
                "train it first, or measure scope compute"
            )
