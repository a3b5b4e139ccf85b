"""The one file that is measured, scored and shipped: made on the host, for a runtime and a precision.

Parts of the file are the facts of a measurement: its bytes are the digest in the key, and the same bytes travel to the
device, are scored on pictures, and end in the bundle.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nas.errors import ModelError
from nas.latency.reference import Reference, reference_onnx
from nas.latency.values import LatencySettings

if TYPE_CHECKING:
    from nas.latency.models import ModelFile

Kind = Literal["onnx", "pt", "reference"]

TAKES: dict[str, Kind] = {"onnxruntime": "onnx", "openvino": "onnx", "torch": "pt"}
"""The kind of file that each runtime reads."""


@dataclass(frozen=True)
class ModelBytes:
    """A model as one file.

    Attributes:
        kind: `onnx`; `pt`, a pickled module for the torch runtimes; `reference`, the name of a reference network that
            the torch runtimes build themselves.
        data: The file.
    """

    kind: Kind
    data: bytes = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.data).hexdigest()


def prepare(model: "ModelFile", imgsz: int, settings: LatencySettings) -> ModelBytes:
    """Make the file."""
    from nas.latency.models import export_onnx

    if TAKES[settings.runtime] == "onnx":
        if Path(model.path).suffix == ".onnx":
            return ModelBytes("onnx", Path(model.path).read_bytes())
        return ModelBytes("onnx", export_onnx(model.name, imgsz))
    raise ModelError("not yet")


def prepare_reference(reference: Reference, settings: LatencySettings) -> ModelBytes:
    """A reference network in the form that the runtime reads."""
    if TAKES[settings.runtime] == "pt":
        return ModelBytes("reference", reference.name.encode())
    return ModelBytes("onnx", reference_onnx(reference))
