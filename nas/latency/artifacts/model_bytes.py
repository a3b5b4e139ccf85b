"""A model as the bytes that a runtime takes, and the input size that it is measured at."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from nas.errors import ModelError

Kind = Literal["onnx", "pt", "ncnn", "reference"]


_KINDS: Mapping[str, Kind] = {".onnx": "onnx", ".pt": "pt", ".ncnn": "ncnn"}


@dataclass(frozen=True)
class ModelBytes:
    """A model as one file.

    Attributes:
        kind: `onnx`; `pt`, a checkpoint for the torch runtimes; `ncnn`, a zip of ncnn's two files; `reference`, the
            name of a reference network that the torch runtimes build themselves.
        data: The file.
    """

    kind: Kind
    data: bytes = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def suffix(self) -> str:
        """What the file's name ends in: `.onnx`, `.pt`, `.ncnn`; the inverse of `from_file`."""
        return f".{self.kind}"

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a file as it is, its kind from its suffix.

        Raises:
            ModelError: It is not there, or is of no such kind.
        """
        kind = _KINDS.get(path.suffix.lower())
        if kind is None:
            raise ModelError(f"a prepared model must be a {', '.join(_KINDS)} file, got {str(path)!r}")
        try:
            return cls(kind, path.read_bytes())
        except OSError as error:
            raise ModelError(f"cannot read {path}: {error.strerror or error}") from error


Read = Callable[[str], bytes]
"""The bytes of a digest."""


@dataclass(frozen=True, slots=True)
class SizedModel:
    """A model and the side of the square picture that it is run on."""

    model: ModelBytes
    imgsz: int

    def to_dict(self) -> dict[str, Any]:
        """What a request says of it; the bytes travel apart."""
        return {"digest": self.model.digest, "kind": self.model.kind, "imgsz": self.imgsz}

    @classmethod
    def read(cls, data: Mapping[str, Any], read: Read) -> Self:
        """The model that a request names."""
        return cls(ModelBytes(data["kind"], read(data["digest"])), data["imgsz"])
