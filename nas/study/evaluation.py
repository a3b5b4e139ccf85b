"""What is known of one architecture, and the limits that it must meet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

from nas.architecture import Architecture
from nas.latency import Latency
from nas.proxy import Score

Verdict = Literal["trained", "rejected"]


@dataclass(frozen=True, slots=True)
class Violation:
    """A limit that a candidate breaks.

    Attributes:
        limit: Which one.
        text: What is above what, for the user.
    """

    limit: Literal["latency", "params", "gflops", "size"]
    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What a candidate must meet to be trained: milliseconds, parameters, GFLOPs, bytes of the ONNX file."""

    target_ms: float
    max_params: int | None = None
    max_gflops: float | None = None
    max_bytes: int | None = None

    def check(self, latency: Latency, params: int, gflops: float, onnx_bytes: int) -> tuple[Violation, ...]:
        """The limits that a candidate breaks; the latency's only where its whole interval lies above."""
        broken = []
        if latency.above(self.target_ms):
            interval = f"{latency.low_ms:.3f} to {latency.high_ms:.3f} ms"
            broken.append(Violation("latency", f"latency {interval} is above the target {self.target_ms:g} ms"))
        if self.max_params is not None and params > self.max_params:
            broken.append(Violation("params", f"{params} parameters are above the limit {self.max_params}"))
        if self.max_gflops is not None and gflops > self.max_gflops:
            broken.append(Violation("gflops", f"{gflops:.3f} GFLOPs are above the limit {self.max_gflops:g}"))
        if self.max_bytes is not None and onnx_bytes > self.max_bytes:
            text = f"the ONNX file of {onnx_bytes} bytes is above the limit {self.max_bytes} bytes"
            broken.append(Violation("size", text))
        return tuple(broken)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is known of one architecture.

    Attributes:
        architecture: The design.
        status: `trained`, or `rejected` by the gate.
        violations: The limits it breaks; empty when it meets them all.
        params: Parameters of the fused model.
        gflops: GFLOPs of the fused model at its own input size.
        counting_rule: The rule and versions behind `gflops`.
        onnx_bytes: Size of the float32 ONNX file.
        latency: The screening measurement.
        score: The proxy's score on the selection part, None when it was not trained.
        seconds: Wall time by part: build, latency, proxy.
        inherited: Share of the parameters that began with the source's; None from scratch.
    """

    architecture: Architecture
    status: Verdict
    violations: tuple[Violation, ...]
    params: int
    gflops: float
    counting_rule: str
    onnx_bytes: int
    latency: Latency
    score: Score | None
    seconds: dict[str, float]
    inherited: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values: dict[str, Any] = _EVALUATION.dump_python(self, mode="json", exclude={"latency"})
        return {**values, "latency": self.latency.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Evaluation":
        """The inverse of `to_dict`."""
        return _EVALUATION.validate_python(data)


_EVALUATION = TypeAdapter(Evaluation)
