"""What is known of one architecture, and the limits that it must meet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

from nas.architecture import Architecture
from nas.latency import Latency
from nas.proxy import Score
from nas.study.limits import Violation

Verdict = Literal["trained", "rejected"]


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
