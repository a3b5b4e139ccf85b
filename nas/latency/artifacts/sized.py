"""What is measured: one file, and the size of the picture that it is run on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from nas.latency.artifacts.prepare import ModelBytes

Read = Callable[[str], bytes]
"""The bytes of a digest."""


@dataclass(frozen=True, slots=True)
class Sized:
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
