"""What a candidate must meet before it is trained, and which of it one breaks."""

from dataclasses import dataclass
from typing import Literal

from nas.latency import Latency


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

    def size_used(self, params: int, gflops: float, onnx_bytes: int) -> float:
        """The largest share that a design takes of a limit on its size; 0 where there is none."""
        shares = [
            value / limit
            for value, limit in (
                (params, self.max_params),
                (gflops, self.max_gflops),
                (onnx_bytes, self.max_bytes),
            )
            if limit is not None
        ]
        return max(shares, default=0.0)

    def used(self, latency: Latency, params: int, gflops: float, onnx_bytes: int) -> float:
        """The share that a design takes of the limit that binds first; more than one where it is above it."""
        return max(latency.latency_ms / self.target_ms, self.size_used(params, gflops, onnx_bytes))
