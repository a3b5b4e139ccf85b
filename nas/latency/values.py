"""The values of a measurement: what is measured, how, and what came out."""

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self, cast

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

SCOPES = ("compute", "+copies", "+nms")
"""What the clock covers. `compute`: from the input tensor in place to Detect's output in place. `+copies`: from a host
array to host arrays. `+nms`: from a host array to the detections of real pictures by a trained model."""

STATISTICS = ("quiet", "p50", "p95", "ultralytics", "mlperf-like")
"""What is said of the times. `quiet`, the default: the time on the calibrated, quiet device, a best case. `p50`, `p95`:
percentiles of back-to-back runs with nothing dropped. The last two are what other tools mean (`observe.py`)."""


def resolve_runtime(name: str) -> str:
    """The runtime that a user's word names; `auto` is ONNX Runtime.

    Raises:
        UsageError: No such runtime; the nearest name is suggested.
    """
    if name == "auto":
        return DEFAULT_RUNTIME
    _one_of("runtime", name, ("auto", *RUNTIMES))
    return name


def resolve_level(name: str) -> Level:
    """The level that a user's word names.

    Raises:
        UsageError: No such level.
    """
    _one_of("level", name, LEVELS)
    return cast("Level", name)


def _one_of(what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"{what} must be one of {', '.join(known)}; got {name!r}{hint}")


@dataclass(frozen=True, slots=True)
class LatencySettings:
    """How a latency is measured; checked when made.

    Attributes:
        runtime: `onnxruntime`, `openvino` or `torch`.
        precision: `float32`, or `bfloat16` where the runtime has it.
        threads: Threads of the runtime.
        device: `cpu`, or `cuda:N` through ONNX Runtime or torch.
        scope: One of `SCOPES`.
        statistic: One of `STATISTICS`.
        sustained_s: How long to run for a percentile; None is the statistic's own length.
        place: Where the device is: `local`, or an ssh:// address.
    """

    runtime: str = DEFAULT_RUNTIME
    precision: str = "float32"
    threads: int = 1
    device: str = "cpu"
    scope: str = "compute"
    statistic: str = "quiet"
    sustained_s: float | None = None
    place: str = "local"

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
        _one_of("scope", self.scope, SCOPES)
        _one_of("statistic", self.statistic, STATISTICS)
        if self.sustained_s is not None and self.statistic == "quiet":
            raise UsageError(
                "--sustained runs the model for a time and tells a percentile of it: give --target-stat p50 or p95 too"
            )
        if self.sustained_s is not None and not self.sustained_s > 0:
            raise UsageError(f"--sustained must be longer than nothing, got {self.sustained_s:g} s")
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
        latency_ms: The estimate.
        low_ms: Lower end of its 95% interval.
        high_ms: Upper end of its 95% interval.
        seconds: Device time spent, warm-up included, over all processes.
        processes: In how many processes it was measured.
        slices_ms: The kept slices' figures at the calibrated clock and memory, in ms; empty for a percentile.
        samples: The raw runs in ms that were kept: of each slice those of the model, of COMPUTE and of MEMORY; for a
            percentile, all runs in one.
        dropped: What was dropped, by cause: `runs_preempted`, `slices_preempted`, `slices_stolen`, `slices_throttled`.
        conditions: The device against its calibration: `clock`, `memory`; and the model's memory `slope`.
        calibration: Identity of the calibration; empty for a percentile, which needs none.
        settings: How it was measured.
        imgsz: Square input size in pixels.
        level: `screening` or `finalist`.
        key: Model digest, device, runtime and version, threads, precision, input shape, scope, statistic.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    seconds: float
    processes: int
    slices_ms: tuple[float, ...]
    samples: tuple[tuple[tuple[float, ...], ...], ...] = field(repr=False)
    dropped: dict[str, int]
    conditions: dict[str, float]
    calibration: str
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
        """Plain lists, numbers and strings, for JSON; raw runs to the tenth of a microsecond."""
        samples = [[[round(run, 4) for run in runs] for runs in one] for one in self.samples]
        slices = [round(one, 5) for one in self.slices_ms]
        return {**asdict(replace(self, samples=())), "slices_ms": slices, "samples": samples}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        settings = LatencySettings(**data["settings"])
        samples = tuple(tuple(tuple(runs) for runs in one) for one in data["samples"])
        return cls(**{**data, "slices_ms": tuple(data["slices_ms"]), "samples": samples, "settings": settings})
