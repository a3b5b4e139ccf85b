"""From paired times to a latency: what a model takes at the calibrated clock and memory of its device.

A *slice* is a fraction of a second in which the candidates and both references ran in turn; its figure for each is a
low quantile of the runs. With t, c and m the figures of a candidate and of the references COMPUTE and MEMORY, and C, M
their calibrated values, the model is

    log(t / c) = log(T / C) + s * x + noise,      x = log(m / c) - log(M / C)

T is the answer: the time at the calibrated clock (t/c does not feel the clock) and the calibrated memory (x = 0). The
slope s says how much of the candidate waits for memory: 0 for a model that lives in the core's own cache, about 1 for
one that streams weights like MEMORY. It is fitted to the slices with a normal prior from the weights that the model
reads a millisecond; where the memory did not change during a measurement the prior stays, and how wide it is goes into
the interval in proportion to x. So a machine that differs from its calibration widens the interval by itself.

The interval is a percentile bootstrap (Efron 1979) over slices, over processes where there are several, and over the
prior. What one process cannot see of itself, the luck of its memory addresses, is added in quadrature.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
PROCESS_SD = 0.004
"""Standard deviation, as a share, of one model's time between processes on an otherwise quiet machine
(`benchmarks/latency_repeatability.py`): where its weights come to lie."""

SLOPE_SD = 0.2
"""How far the memory slope strays from what the weights a millisecond foretell (standard deviation)."""

RATIO_SLOPE_SD = 0.1
"""How far the difference of two models' slopes strays from what is foretold: what makes one stray, the other shares."""

_SLOPE_OF_DENSITY = 0.8
_MOST_SLOPE = 1.2
_CLOCK_JUMP = 0.03
_REPLICATES = 400
_SEED = 19790101


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the references take on a device that is quiet, in one runtime, precision and thread count.

    Attributes:
        compute_ms: Time of COMPUTE.
        memory_ms: Time of MEMORY.
        memory_bytes: Size of MEMORY's file, to compare weights a millisecond with.
        made_at: Seconds since 1970.
        identity: Digest of device, runtime, versions and both references, and of the values: results with different
            identities are not comparable to the last percent.
    """

    compute_ms: float
    memory_ms: float
    memory_bytes: int
    made_at: float
    identity: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**data)

    def prior_slope(self, model_bytes: int, latency_ms: float) -> float:
        """The memory slope that a model's weights a millisecond foretell."""
        density = (model_bytes / latency_ms) / (self.memory_bytes / self.memory_ms)
        return min(_SLOPE_OF_DENSITY * density, _MOST_SLOPE)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A latency with its interval.

    Attributes:
        latency_ms: The estimate.
        low_ms: Lower end of the 95% interval.
        high_ms: Upper end of the 95% interval.
        slope: The fitted memory slope.
        adjusted_ms: The slices' figures at the calibrated clock and memory, in the order they were measured.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    slope: float
    adjusted_ms: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as long a model takes as the first one, with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Conditions:
    """The device during a measurement, against its calibration.

    Attributes:
        clock: Median time of COMPUTE over its calibrated time: 1.3 means that the core is 1.3 times as slow.
        memory: Median of m/c over M/C: 1.1 means that memory-bound work is a tenth slower than compute.
    """

    clock: float
    memory: float


@dataclass(frozen=True, slots=True)
class Fit:
    """Estimates of all candidates of a measurement, and their ratios to the first."""

    estimates: tuple[Estimate, ...]
    ratios: tuple[Ratio, ...]
    conditions: Conditions


def fit(
    figures: Floats,
    calibration: Calibration,
    model_bytes: Sequence[int],
    process: Sequence[int] | None = None,
) -> Fit:
    """Estimate every candidate's latency.

    Args:
        figures: Shape (slices, candidates + 2), in ms; the last two columns are COMPUTE and MEMORY.
        calibration: What the references take when the device is quiet.
        model_bytes: Size of each candidate's file.
        process: Which process each slice was measured in; all in one by default.

    Raises:
        ValueError: There are fewer than 2 slices, or a figure is not a positive number.
    """
    if figures.ndim != 2 or len(figures) < 2 or figures.shape[1] != len(model_bytes) + 2:
        raise ValueError(f"figures of {len(model_bytes)} candidates must be (slices >= 2, candidates + 2)")
    if not (np.isfinite(figures).all() and (figures > 0).all()):
        raise ValueError("every figure must be a positive number of milliseconds")
    home = np.zeros(len(figures), dtype=int) if process is None else np.asarray(process)
    steady = _steady(figures[:, -2], home)
    logs, home = np.log(figures[steady]), home[steady]
    clock = logs[:, -2]
    x = logs[:, -1] - clock - np.log(calibration.memory_ms / calibration.compute_ms)
    rng = np.random.default_rng(_SEED)
    picks = _resample(home, rng)
    luck = PROCESS_SD / np.sqrt(len(np.unique(home)))
    ys = [logs[:, index] - clock for index in range(len(model_bytes))]
    priors = [
        calibration.prior_slope(size, float(np.exp(np.median(y)) * calibration.compute_ms))
        for size, y in zip(model_bytes, ys, strict=True)
    ]
    estimates = []
    for y, prior in zip(ys, priors, strict=True):
        line = _line(x, y, prior, SLOPE_SD, picks, luck, rng)
        scale = calibration.compute_ms
        estimates.append(
            Estimate(
                float(np.exp(line.middle)) * scale,
                float(np.exp(line.low)) * scale,
                float(np.exp(line.high)) * scale,
                line.slope,
                tuple(np.exp(line.adjusted) * scale),
            )
        )
    ratios = [Ratio(1.0, 1.0, 1.0)]
    for y, prior in zip(ys[1:], priors[1:], strict=True):
        # Slice by slice: what disturbed both cancels, and so does most of what is not known of the slopes.
        line = _line(x, y - ys[0], prior - priors[0], RATIO_SLOPE_SD, picks, luck * np.sqrt(2), rng)
        ratios.append(Ratio(float(np.exp(line.middle)), float(np.exp(line.low)), float(np.exp(line.high))))
    conditions = Conditions(
        clock=float(np.exp(np.median(clock)) / calibration.compute_ms), memory=float(np.exp(np.median(x)))
    )
    return Fit(tuple(estimates), tuple(ratios), conditions)


@dataclass(frozen=True, slots=True)
class _Line:
    """A fitted line: its value at x = 0 with its interval, its slope, and every y brought to x = 0."""

    middle: float
    low: float
    high: float
    slope: float
    adjusted: Floats


def _line(
    x: Floats,
    y: Floats,
    prior: float,
    prior_sd: float,
    picks: NDArray[np.int_],
    luck: float,
    rng: np.random.Generator,
) -> _Line:
    slope, noise = _slope(x, y, prior, prior_sd)
    adjusted = y - slope * x
    middle = float(np.median(adjusted))
    priors = prior + prior_sd * rng.standard_normal(_REPLICATES)
    spread = _replicates(x[picks], y[picks], priors, prior_sd, noise) + luck * rng.standard_normal(_REPLICATES)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(spread, (tail, 1 - tail))
    return _Line(middle, min(float(low), middle), max(float(high), middle), slope, adjusted)


def _steady(compute: Floats, home: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Slices in which the clock was that of its process: a jump within one moves candidate and reference apart."""
    kept = np.zeros(len(compute), dtype=bool)
    for one in np.unique(home):
        mine = home == one
        kept[mine] = compute[mine] <= np.median(compute[mine]) * (1 + _CLOCK_JUMP)
    return kept


def _resample(home: NDArray[np.int_], rng: np.random.Generator) -> NDArray[np.int_]:
    """Indices of bootstrap samples, shape (replicates, slices): processes first, then slices within them."""
    groups = [np.flatnonzero(home == one) for one in np.unique(home)]
    if len(groups) == 1:
        return rng.choice(groups[0], size=(_REPLICATES, len(home)))
    longest = max(len(group) for group in groups)
    chosen = rng.integers(len(groups), size=(_REPLICATES, len(groups)))
    # Every drawn process gives as many slices as the longest has, so that all replicates have one shape.
    parts = [[rng.choice(groups[index], size=longest) for index in row] for row in chosen]
    return np.array(parts).reshape(_REPLICATES, -1)


def _slope(x: Floats, y: Floats, prior: float, prior_sd: float) -> tuple[float, float]:
    """The slope of y on x with its prior, and the standard deviation of what is left."""
    noise = max(_deviation(y - prior * x), 1e-4)
    slope = prior
    for _ in range(2):
        dx, dy = x - x.mean(), y - y.mean()
        # Huber's weights: a slice that something else disturbed does not turn the slope.
        weight = np.minimum(1.0, 2 * noise / np.maximum(np.abs(dy - slope * dx), 1e-12))
        pull = (noise / prior_sd) ** 2
        slope = float(((weight * dx * dy).sum() + pull * prior) / ((weight * dx * dx).sum() + pull))
        noise = max(_deviation(y - slope * x), 1e-4)
    return slope, noise


def _replicates(x: Floats, y: Floats, priors: Floats, prior_sd: float, noise: float) -> Floats:
    """The intercept of each bootstrap sample; x, y: (replicates, slices)."""
    dx, dy = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    first = priors[:, None]
    weight = np.minimum(1.0, 2 * noise / np.maximum(np.abs(dy - first * dx), 1e-12))
    pull = (noise / prior_sd) ** 2
    slope = ((weight * dx * dy).sum(axis=1) + pull * priors) / ((weight * dx * dx).sum(axis=1) + pull)
    return np.asarray(np.median(y - slope[:, None] * x, axis=1))


def _deviation(values: Floats) -> float:
    """Standard deviation by the median absolute deviation."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))
