"""The one file that is measured and scored: made on the host, for a runtime and a precision.

Its bytes are the digest in the key of a measurement; the same bytes travel to the device and are scored on pictures.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from nas.errors import UsageError
from nas.latency.protocol.reference_nets import Reference, reference_onnx
from nas.latency.types import LatencySettings

if TYPE_CHECKING:
    from torch import nn
    from ultralytics.nn.tasks import DetectionModel

    from nas.latency.artifacts.model_files import ModelFile
from nas.latency.artifacts.model_bytes import Kind, ModelBytes

TAKES: Mapping[str, Kind] = {
    "onnxruntime": "onnx",
    "openvino": "onnx",
    "tensorrt": "onnx",
    "torch": "pt",
    "torch-cudagraph": "pt",
    "ncnn": "ncnn",
}
"""The kind of file that each runtime reads."""


def prepared_name(stem: str, settings: LatencySettings) -> str:
    """What a prepared file is called beside a checkpoint `STEM.pt`: `STEM.onnx`, `STEM.ncnn` or `STEM.torch.pt`."""
    kind = TAKES[settings.runtime]
    return f"{stem}.torch.pt" if kind == "pt" else f"{stem}.{kind}"


Pictures = NDArray[np.float32]
"""(N, 3, imgsz, imgsz), RGB in [0, 1]."""


def prepare(
    model: "nn.Module | ModelFile",
    imgsz: int,
    settings: LatencySettings,
    calibration: Pictures | None = None,
    onnx: bytes | None = None,
) -> ModelBytes:
    """Make the file that the settings' runtime reads, in their precision.

    Args:
        model: A detector, or a model file that a user names. An .onnx file is taken as it is where it computes in
            that precision already.
        imgsz: Square input size in pixels.
        settings: Runtime and precision; neither the runtime nor the device need be here.
        calibration: Pictures that INT8 scales are taken from; only `int8` needs them.
        onnx: The model's float32 graph, where it was exported already.

    Raises:
        ModelError: The model cannot be built, exported or converted.
        UsageError: The runtime does not read such a file, or pictures to quantise with are missing.
        RuntimeMissing: The converter is not installed.
    """
    kind = TAKES[settings.runtime]
    users, done = _users_onnx(model), False
    if kind == "pt":
        from nas.latency.artifacts.torch_file import to_pt

        if users is not None:
            raise UsageError(f"runtime {settings.runtime} measures a .yaml or .pt file, got an .onnx file")
        return ModelBytes("pt", to_pt(_loaded(model)))
    if users is not None:
        from nas.latency.artifacts.users_onnx import ready

        onnx, done = ready(*users, imgsz, settings)
    elif onnx is None:
        from nas.model import to_onnx

        onnx = to_onnx(_loaded(model), imgsz)
    if kind == "ncnn":
        from nas.latency.artifacts.ncnn_file import to_ncnn

        return ModelBytes("ncnn", to_ncnn(onnx, imgsz, half=settings.precision == "float16"))
    return ModelBytes("onnx", onnx if done else _in_precision(onnx, settings, calibration))


def prepare_reference(reference: Reference, settings: LatencySettings) -> ModelBytes:
    """A reference network in the form that the runtime reads, float32; the runtime may compute in less."""
    kind = TAKES[settings.runtime]
    if kind == "pt":
        return ModelBytes("reference", reference.name.encode())
    if kind == "ncnn":
        from nas.latency.artifacts.ncnn_file import reference_ncnn

        return ModelBytes("ncnn", reference_ncnn(reference))
    return ModelBytes("onnx", reference_onnx(reference))


def _loaded(model: "nn.Module | ModelFile") -> "DetectionModel":
    from nas.latency.artifacts.model_files import ModelFile, load_unfused

    return load_unfused(model.name) if isinstance(model, ModelFile) else cast("DetectionModel", model)


def _users_onnx(model: "nn.Module | ModelFile") -> tuple[str, bytes] | None:
    """Name and content of an ONNX file that a user names."""
    from nas.latency.artifacts.model_files import ModelFile

    return (model.name, model.onnx) if isinstance(model, ModelFile) and model.onnx is not None else None


def _in_precision(onnx: bytes, settings: LatencySettings, calibration: Pictures | None) -> bytes:
    if settings.precision == "float16":
        from nas.latency.artifacts.float16 import halved

        return halved(onnx)
    if settings.precision == "int8":
        from nas.latency.artifacts.int8 import quantised

        if calibration is None or not len(calibration):
            raise UsageError("precision int8 needs pictures to quantise with; none were given")
        # TensorRT takes scales without zero points only; the CPU runtimes are finer with them, because SiLU's
        # outputs lie almost all on one side of zero.
        return quantised(onnx, calibration, symmetric=settings.runtime == "tensorrt")
    return onnx  # bfloat16 is the runtime's own doing
