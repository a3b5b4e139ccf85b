"""The values of a measurement: what is measured, how, and what came out."""

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

from nas.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

Level = Literal["screening", "finalist"]
LEVELS: tuple[Level, ...] = ("screening", "finalist")

DEFAULT_RUNTIME = "onnxruntime"
"""What `auto` means: a fixed choice, so that the same command gives comparable numbers everywhere."""

PRECISIONS: Mapping[str, tuple[str, ...]] = {
    "onnxruntime": ("float32",),
    "openvino": ("float32", "bfloat16"),
    "torch": ("float32", "bfloat16"),
}
"""The precisions that each runtime can run in, best known first."""

RUNTIMES = tuple(PRECISIONS)
SCOPE = "compute"
"""What the clock covers: from the input tensor to Detect's output; no image decoding, copies or NMS."""


def resolve_runtime(name: str) -> str:
    """The runtime that a user's word names; `auto` is ONNX Runtime.

    Raises:
        UsageError: No such runtime; the nearest name is suggested.
    """
    if name == "auto":
        return DEFAULT_RUNTIME
    if name in RUNTIMES:
        return name
    near = difflib.get_close_matches(name.lower(), RUNTIMES, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"runtime must be one of auto, {', '.join(RUNTIMES)}; got {name!r}{hint}")


def resolve_level(name: str) -> Level:
    """The level that a user's word names.

    Raises:
        UsageError: No such level.
    """
    for level in LEVELS:
        if name == level:
            return level
    raise UsageError(f"level must be one of {', '.join(LEVELS)}; got {name!r}")


@dataclass(frozen=True, slots=True)
class LatencySettings:
    """How a latency is measured; checked when made.

    Attributes:
        runtime: `onnxruntime`, `openvino` or `torch`.
        precision: `float32`, or `bfloat16` where the runtime has it.
        threads: Threads of the runtime.
        device: `cpu`, or `cuda:N` through ONNX Runtime or torch.
    """

    runtime: str = DEFAULT_RUNTIME
    precision: str = "float32"
    threads: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            UsageError: A field has a value that no runtime can honour.
        """
        object.__setattr__(self, "runtime", resolve_runtime(self.runtime))
        if self.precision not in PRECISIONS[self.runtime]:
            offers = ", ".join(PRECISIONS[self.runtime])
            others = [name for name, known in PRECISIONS.items() if self.precision in known]
            hint = f"; {self.precision} runs in {', '.join(others)}" if others else ""
            raise UsageError(f"runtime {self.runtime} measures in {offers}, got precision {self.precision!r}{hint}")
        if self.threads < 1:
            raise UsageError(f"threads must be at least 1, got {self.threads}")
        kind, _, index = self.device.partition(":")
        if self.device != "cpu" and not (kind == "cuda" and index.isdigit()):
            raise UsageError(f"device must be cpu or cuda:N (such as cuda:0), got {self.device!r}")
        if kind == "cuda" and self.runtime == "openvino":
            raise UsageError("runtime openvino runs on the CPU here; use onnxruntime or torch with --device cuda:0")


@dataclass(frozen=True)
class Subject:
    """A model to be measured, fused, at its own input size.

    Attributes:
        imgsz: Square input size in pixels.
        onnx: The exported model, for the runtimes that read ONNX.
        module: The fused model, for the torch runtime.
    """

    imgsz: int
    onnx: bytes | None = field(default=None, repr=False)
    module: "nn.Module | None" = field(default=None, repr=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the ONNX file, or of the module's text and state."""
        if self.onnx is not None:
            return hashlib.sha256(self.onnx).hexdigest()
        if self.module is None:
            raise ValueError("a Subject needs an ONNX file or a module")
        total = hashlib.sha256(str(self.module).encode())
        for name, tensor in self.module.state_dict().items():
            total.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return total.hexdigest()


@dataclass(frozen=True, slots=True)
class Latency:
    """One measured latency, with everything needed to say what it means.

    Attributes:
        latency_ms: The estimate: the median of the blocks.
        low_ms: Lower end of its 95% interval.
        high_ms: Upper end of its 95% interval.
        seconds: Device time spent, warm-up included.
        blocks: The kept blocks' statistics in ms, in the order they were measured.
        dropped: What was dropped, by cause: `runs_preempted`, `blocks_stolen`.
        settings: How it was measured.
        imgsz: Square input size in pixels.
        level: `screening` or `finalist`.
        key: Model digest, device, runtime and version, threads, precision, input shape, scope.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    seconds: float
    blocks: tuple[float, ...]
    dropped: dict[str, int]
    settings: LatencySettings
    imgsz: int
    level: Level
    key: dict[str, Any]

    def meets(self, target_ms: float) -> bool:
        """Whether the upper end of the interval is at or under the target."""
        return self.high_ms <= target_ms

    def above(self, target_ms: float) -> bool:
        """Whether the whole interval lies above the target."""
        return self.low_ms > target_ms

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, for JSON."""
        return {**asdict(self), "blocks": list(self.blocks)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        settings = LatencySettings(**data["settings"])
        return cls(**{**data, "blocks": tuple(data["blocks"]), "settings": settings})
