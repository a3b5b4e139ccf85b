"""The values of a measurement: what is measured, how, and what came out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self, cast

from nas.errors import UsageError
from nas.util.suggest import did_you_mean

Level = Literal["screening", "finalist"]
LEVELS: tuple[Level, ...] = ("screening", "finalist")

DEFAULT_RUNTIME = "onnxruntime"
"""What `auto` means: a fixed choice, so that the same command gives comparable numbers everywhere."""

OFFERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "onnxruntime": {"cpu": ("float32", "int8"), "cuda": ("float32", "float16")},
    "openvino": {"cpu": ("float32", "bfloat16", "int8")},
    "ncnn": {"cpu": ("float32", "float16")},
    "torch": {"cpu": ("float32", "bfloat16"), "cuda": ("float32", "float16", "bfloat16")},
    "torch-cudagraph": {"cuda": ("float32", "float16", "bfloat16")},
    "tensorrt": {"cuda": ("float32", "float16", "int8")},
}
"""What each runtime computes on and in which precisions there, best known first."""

PRECISIONS: Mapping[str, tuple[str, ...]] = {
    runtime: tuple(dict.fromkeys(name for names in places.values() for name in names))
    for runtime, places in OFFERS.items()
}
"""The precisions that each runtime can run in, on whatever it computes."""

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


def in_words(statistic: str, sustained_s: float | None) -> str:
    """What is said of a search's times, for a sentence: `p95 of back-to-back runs over 60 s`.

    Args:
        statistic: `quiet`, `p50` or `p95`.
        sustained_s: How long a percentile is measured; None is its own length.
    """
    if statistic == "quiet":
        return "best case of the quiet device"
    return f"{statistic} of back-to-back runs" + (f" over {sustained_s:g} s" if sustained_s else "")


def _one_of(what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise UsageError(f"{what} must be one of {', '.join(known)}; got {name!r}{did_you_mean(name, known)}")


def _check_offer(runtime: str, precision: str, device: str) -> None:
    """Check that a runtime computes on the device and in the precision; the error names those that do."""
    kind, _, index = device.partition(":")
    if device != "cpu" and not (kind == "cuda" and index.isdigit()):
        raise UsageError(f"device must be cpu or cuda:N (such as cuda:0), got {device!r}")
    places = OFFERS[runtime]
    if kind not in places:
        others = [name for name, known in OFFERS.items() if kind in known]
        raise UsageError(
            f"runtime {runtime} runs on {', '.join(places)}, got device {device}; "
            f"on {kind} there are {', '.join(others)}"
        )
    if precision not in places[kind]:
        others = [name for name, known in OFFERS.items() if name != runtime and precision in known.get(kind, ())]
        others += [f"{runtime} on {other}" for other in places if precision in places[other]]
        hint = f"; {precision} runs in {', '.join(others)}" if others else ""
        raise UsageError(
            f"runtime {runtime} measures in {', '.join(places[kind])} on {kind}, got precision {precision!r}{hint}"
        )


@dataclass(frozen=True, slots=True)
class LatencySettings:
    """How a latency is measured; checked when made.

    Attributes:
        runtime: One of `OFFERS`.
        precision: One of those that the runtime has on the device.
        threads: Threads of the runtime.
        device: `cpu` or `cuda:N`.
        scope: One of `SCOPES`.
        statistic: One of `STATISTICS`.
        sustained_s: How long to run for a percentile; None is the statistic's own length.
        place: Where the device is: `local`, or an ssh:// address; several addresses, with spaces between them, for
            boards that are one pool.
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
        _check_offer(self.runtime, self.precision, self.device)
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

    @property
    def places(self) -> tuple[str, ...]:
        """Every place, one a device."""
        return tuple(self.place.split())

    @property
    def where(self) -> str:
        """Place and device, as reports name them: `ssh://pi@board cpu`, without the paths of the place's owner."""
        return f"{', '.join(place.partition('?')[0] for place in self.places)} {self.device}"

    @property
    def conditions(self) -> str:
        """All of it, for a sentence."""
        return (
            f"{self.runtime}, {self.precision}, {self.threads} thread(s), batch 1, on {self.where}, scope "
            f"{self.scope}, {in_words(self.statistic, self.sustained_s)}"
        )


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
        conditions: The device against its calibration: `clock`, `memory`; the model's memory `slope`; `ahead`, 1 where
            the system let the measuring thread run ahead of other programs; and `load`, the device's load average.
        calibration: Identity of the calibration; empty for a percentile, which needs none.
        settings: How it was measured.
        imgsz: Square input size in pixels.
        level: `screening` or `finalist`.
        key: Model digest, device, runtime and version, threads, precision, input shape, scope, statistic.
        build_s: Time that the runtime took to build an engine for the device before (TensorRT), apart from `seconds`.
        waited_s: The part of `seconds` that went into disturbed slices and into leaving the device alone.
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
    build_s: float = 0.0
    waited_s: float = 0.0

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
