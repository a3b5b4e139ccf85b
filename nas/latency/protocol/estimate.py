"""From paired times to a latency: what a model takes at the calibrated clock and memory of its device.

A *slice* is a fraction of a second in which the candidates and both references ran in turn. What neighbours take of the
cache and the memory changes within hundredths of a second, so a candidate and a reference that ran one after the other
did not see the same; but over a few seconds both saw the same mixture. So the runs of all slices of a process are
pooled, and a low quantile of each contestant's pool is its figure: how long it takes in the calm moments, of which both
had as many. With t, c and m the figures of a candidate and of the references COMPUTE and MEMORY, and C, M their
calibrated values, the model is

    log(t / c) = log(T / C) + s * x + noise,      x = log(m / c) - log(M / C)

T is the answer: the time at the calibrated clock (t/c does not feel the clock) and the calibrated memory (x = 0). The
slope s says how much of the candidate waits for memory. It has a normal prior from the weights that the model reads a
millisecond and from whether they take about as much room as MEMORY's, and is fitted to *stretches*, pools of a few
slices, by how they differ within a process. A stretch is not trusted further than `STRETCH_SD`: where the memory did
not clearly change during a measurement the prior stays. What is not known of the slope goes into the interval in
proportion to x. So a machine that differs from its calibration widens the interval by itself.

The interval is a percentile bootstrap (Efron 1979) over slices, over processes where there are several, and over the
slope. What one process cannot see of itself, the luck of its memory addresses, is added in quadrature; so is what is
not known where the core was shared all the time.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nas.latency.protocol.collect import Slice, pooled_figures, slice_figures
from nas.latency.protocol.plan import POOL_QUANTILE, QUIET_CLOCK

Floats = NDArray[np.float64]
Ints = NDArray[np.int_]

CONFIDENCE = 0.95
PROCESS_SD = 0.006
"""Standard deviation, as a share, of one model's time between processes of a few seconds on an otherwise quiet machine:
where its weights come to lie, and what its neighbours did just then. Seen: 0.2% to 0.6%, and about 1% for models of
10 MB and more (docs/development/log.md)."""

SLOPE_SD = 0.2
"""How far the memory slope strays from the predicted one (standard deviation; docs/development/log.md)."""

RATIO_SLOPE_SD = 0.1
"""How far the difference of two models' slopes strays from the predicted one: they stray together."""

LEVEL_SD = 0.2
RATIO_LEVEL_SD = 0.1
"""How far the slope between whole measurements strays from the slope between the stretches of one
(docs/development/log.md), for a latency and for a ratio. However well the stretches tell theirs, this much is
not known of what is asked."""

STRETCH_SD = 0.01
"""What is left of a stretch's figure, as a share, when the slope is right (standard deviation, on a shared server).
Also the least that is assumed: x has an error of its own, which must not pass for a change of the memory."""

SHARED_SD = 0.4
"""How far a network strays from COMPUTE on a core that is shared, as a share of what COMPUTE is slowed by (standard
deviation of logarithms). A slower clock slows all alike; a neighbour on the same core does not: where COMPUTE took 1.4
times as long, MEMORY and YOLO11n took 1.2 times (docs/development/log.md)."""

STEADY_SPREAD, SHARED_SPREAD = 0.06, 0.12
"""Median over low quantile of COMPUTE's runs, as a logarithm: of a core that is slower than calibrated but has one
speed, and of one that is shared."""

EDGE_SD = 0.3
"""How much further the slope of a model at the edge of the cache strays, in both ways (`Calibration.edge`)."""

_SLOPE_AT_LEAST = 0.2
_SLOPE_OF_DENSITY = 0.2
_SLOPE_OF_EDGE = 0.6
_MOST_SLOPE = 1.2
_EDGE_WIDTH = 0.35
_EDGE_DENSITY = 0.2
_STRETCH_SLICES = 4
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
        """The memory slope that a model's weights a millisecond and their room foretell."""
        dense = _SLOPE_AT_LEAST + _SLOPE_OF_DENSITY * self._density(model_bytes, latency_ms)
        return min(dense + _SLOPE_OF_EDGE * self.edge(model_bytes, latency_ms), _MOST_SLOPE)

    def edge(self, model_bytes: int, latency_ms: float) -> float:
        """How much a model stands at the edge of the cache, from 0 to 1 (docs/development/log.md).

        Weights that take about as much room as MEMORY's just fit into what neighbours leave of the cache, or just do
        not. Such a model feels the memory as strongly as MEMORY does, if it reads its weights often enough. Smaller
        ones always fit, much larger ones never do.
        """
        if not model_bytes:
            return 0.0
        near = np.exp(-0.5 * (np.log(model_bytes / self.memory_bytes) / _EDGE_WIDTH) ** 2)
        return float(near * min(1.0, self._density(model_bytes, latency_ms) / _EDGE_DENSITY))

    def _density(self, model_bytes: int, latency_ms: float) -> float:
        return (model_bytes / latency_ms) / (self.memory_bytes / self.memory_ms)


@dataclass(frozen=True, slots=True)
class LatencyEstimate:
    """A latency with its interval.

    Attributes:
        latency_ms: The estimate.
        low_ms: Lower end of the 95% interval.
        high_ms: Upper end of the 95% interval.
        slope: The fitted memory slope.
        adjusted_ms: The slices' figures at the calibrated clock and memory, in the order of the slices.
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
        clock: Time of COMPUTE over its calibrated time: 1.3 means that the core is 1.3 times as slow.
        memory: m/c over M/C: 1.1 means that memory-bound work is a tenth slower than compute.
    """

    clock: float
    memory: float


@dataclass(frozen=True, slots=True)
class Fit:
    """Estimates of all candidates of a measurement, and their ratios to the first."""

    estimates: tuple[LatencyEstimate, ...]
    ratios: tuple[Ratio, ...]
    conditions: Conditions


def fit(
    slices: Sequence[Slice],
    calibration: Calibration,
    model_bytes: Sequence[int],
    process: Sequence[int] | None = None,
) -> Fit:
    """Estimate every candidate's latency.

    Args:
        slices: The runs of every contestant in each slice, in ms: the candidates, then COMPUTE and MEMORY.
        calibration: What the references take when the device is quiet.
        model_bytes: Size of each candidate's file.
        process: Which process each slice was measured in; all in one by default.

    Raises:
        ValueError: There are fewer than 2 slices, a contestant has no run in one, or a run is not a positive number.
    """
    contestants = len(model_bytes) + 2
    if len(slices) < 2 or any(len(one) != contestants or not all(one) for one in slices):
        raise ValueError(f"at least 2 slices with runs of {len(model_bytes)} candidates and 2 references are needed")
    if not all(np.isfinite(runs).all() and np.min(runs) > 0 for one in slices for runs in one):
        raise ValueError("every run must be a positive number of milliseconds")
    home = np.zeros(len(slices), dtype=int) if process is None else np.asarray(process)
    processes = [[slices[index] for index in np.flatnonzero(home == one).tolist()] for one in np.unique(home)]
    rng = np.random.default_rng(_SEED)
    whole, resampled = _pooled(processes, rng)
    stretches = [np.log([pooled_figures(part) for part in _stretches(one)]) for one in processes]
    single = np.log(slice_figures(slices))
    luck = np.hypot(PROCESS_SD / np.sqrt(len(processes)), _shared_doubt(processes, calibration.compute_ms))
    x0 = float(np.log(calibration.memory_ms / calibration.compute_ms))
    compute = len(model_bytes)

    def line(index: int, over: int, prior: float, prior_sd: float, level_sd: float, luck: float) -> _Line:
        def points(figures: Floats) -> _Points:
            return _Points(figures[..., -1] - figures[..., -2] - x0, figures[..., index] - figures[..., over])

        slope, slope_sd = _slope([points(one) for one in stretches], prior, prior_sd)
        slopes = slope + np.hypot(slope_sd, level_sd) * rng.standard_normal((_REPLICATES, 1))
        spread = points(resampled).level(slopes) + luck * rng.standard_normal(_REPLICATES)
        return _line(float(points(whole).level(slope)), spread, slope, points(single).adjusted(slope))

    to_compute = np.exp(np.mean(whole[:, :compute] - whole[:, [compute]], axis=0)) * calibration.compute_ms
    sizes = list(zip(model_bytes, to_compute, strict=True))
    priors = [calibration.prior_slope(size, ms) for size, ms in sizes]
    doubts = [EDGE_SD * calibration.edge(size, ms) for size, ms in sizes]
    estimates = []
    for index, (prior, doubt) in enumerate(zip(priors, doubts, strict=True)):
        one = line(index, compute, prior, SLOPE_SD + doubt, LEVEL_SD + doubt, luck).times(calibration.compute_ms)
        estimates.append(LatencyEstimate(one.middle, one.low, one.high, one.slope, tuple(one.adjusted)))
    ratios = [Ratio(1.0, 1.0, 1.0)]
    for index in range(1, compute):
        # What disturbed both cancels, and so does most of what is not known of the slopes.
        prior, doubt = priors[index] - priors[0], abs(doubts[index] - doubts[0])
        sds = RATIO_SLOPE_SD + doubt, RATIO_LEVEL_SD + doubt
        one = line(index, 0, prior, *sds, luck * np.sqrt(2)).times(1.0)
        ratios.append(Ratio(one.middle, one.low, one.high))
    clock, memory = np.mean(whole[:, -2]), np.mean(whole[:, -1] - whole[:, -2])
    conditions = Conditions(
        clock=float(np.exp(clock) / calibration.compute_ms),
        memory=float(np.exp(memory) / (calibration.memory_ms / calibration.compute_ms)),
    )
    return Fit(tuple(estimates), tuple(ratios), conditions)


@dataclass(frozen=True, slots=True)
class _Points:
    """Logarithms of figures, as x and y of the model; the last axis of both runs over processes or slices."""

    x: Floats
    y: Floats

    def adjusted(self, slope: float | Floats) -> Floats:
        """Every y brought to x = 0."""
        return self.y - slope * self.x

    def level(self, slope: float | Floats) -> Floats:
        """The mean of the adjusted y."""
        return np.asarray(self.adjusted(slope).mean(axis=-1))


@dataclass(frozen=True, slots=True)
class _Line:
    """A fitted line: its value at x = 0 with its interval, its slope, and every slice brought to x = 0; logarithms."""

    middle: float
    low: float
    high: float
    slope: float
    adjusted: Floats

    def times(self, scale: float) -> Self:
        """The line out of the logarithm, in units of `scale`."""
        middle, low, high = (float(np.exp(value)) * scale for value in (self.middle, self.low, self.high))
        return type(self)(middle, low, high, self.slope, np.exp(self.adjusted) * scale)


def _line(middle: float, spread: Floats, slope: float, adjusted: Floats) -> _Line:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(spread, (tail, 1 - tail))
    return _Line(middle, min(float(low), middle), max(float(high), middle), slope, adjusted)


def _shared_doubt(processes: Sequence[Sequence[Slice]], compute_ms: float) -> float:
    """What is not known of a network beside COMPUTE because the core was shared, as a share; the processes' mean."""
    doubts = []
    for slices in processes:
        low, median = np.quantile(np.concatenate([one[-2] for one in slices]), (POOL_QUANTILE, 0.5))
        shared = (np.log(median / low) - STEADY_SPREAD) / (SHARED_SPREAD - STEADY_SPREAD)
        slower = np.log(low / compute_ms) if low > QUIET_CLOCK * compute_ms else 0.0
        doubts.append(SHARED_SD * slower * np.clip(shared, 0.0, 1.0))
    return float(np.mean(doubts))


def _stretches(slices: Sequence[Slice]) -> list[Sequence[Slice]]:
    """Neighbouring slices together, about `_STRETCH_SLICES` each."""
    count = max(1, round(len(slices) / _STRETCH_SLICES))
    edges = np.linspace(0, len(slices), count + 1).round().astype(int).tolist()
    return [slices[start:end] for start, end in pairwise(edges)]


def _pooled(processes: Sequence[Sequence[Slice]], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Logarithms of each process's figures, (processes, contestants), and bootstrap samples, (replicates, ...).

    A sample draws processes, and slices within each.
    """
    whole = np.log([pooled_figures(slices) for slices in processes])
    samples = np.empty((_REPLICATES, *whole.shape))
    for place, slices in enumerate(processes):
        count = len(slices)
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=_REPLICATES)
        for contestant, runs in enumerate(zip(*slices, strict=True)):
            samples[:, place, contestant] = np.log(_weighted_quantile(runs, drawn))
    chosen = rng.integers(len(processes), size=(_REPLICATES, len(processes)))
    return whole, samples[np.arange(_REPLICATES)[:, None], chosen]


def _weighted_quantile(runs: Sequence[Sequence[float]], drawn: Ints) -> Floats:
    """The low quantile of a pool in which each slice's runs count as often as it was drawn; (replicates,)."""
    pool = np.concatenate(runs)
    origin = np.repeat(np.arange(len(runs)), [len(one) for one in runs])
    order = np.argsort(pool)
    upto = np.cumsum(drawn[:, origin[order]], axis=1)
    # The same position between order statistics as `numpy.quantile` takes, without the interpolation.
    place = POOL_QUANTILE * (upto[:, -1:] - 1)
    return np.asarray(pool[order][np.argmax(upto > place, axis=1)])


def _slope(stretches: Sequence[_Points], prior: float, prior_sd: float) -> tuple[float, float]:
    """The slope of y on x within the processes with its prior, and its standard deviation."""
    dx = np.concatenate([one.x - one.x.mean() for one in stretches])
    dy = np.concatenate([one.y - one.y.mean() for one in stretches])
    slope, sure = prior, prior_sd**-2
    for _ in range(2):
        left = np.abs(dy - slope * dx)
        noise = max(1.4826 * float(np.median(left)), STRETCH_SD)
        # Huber's weights: a stretch that something else disturbed does not turn the slope.
        weight = np.minimum(1.0, 2 * noise / np.maximum(left, 1e-12)) / noise**2
        sure = float((weight * dx * dx).sum() + prior_sd**-2)
        slope = float(((weight * dx * dy).sum() + prior * prior_sd**-2) / sure)
    return slope, sure**-0.5
