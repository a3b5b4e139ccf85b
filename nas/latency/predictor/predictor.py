"""Latencies predicted from few measured ones, with an interval.

A latency is a sum of work times cost: so many multiply-adds of 3x3 convolutions at so many picoseconds each, so many
elements concatenated, so many nodes started. The work is read off the graph (`features.py`); the costs are what all
models have in common on one device, runtime, precision and thread count, and all that has to be learnt:

    log t = log(sum_k exp(theta_k) x_k) + noise,    theta = log costs

Costs are positive, and known roughly beforehand, up to the speed of the device:

    theta ~ Normal(start + speed, spread^2),    speed ~ Normal(0, SPEED_SD^2)

The fit is the most probable theta, and what it leaves uncertain is Laplace's normal approximation around it (MacKay
2003, ch. 27): a graph that is unlike those measured leans on costs that nothing has narrowed, so its interval widens by
itself. The interval is scaled by the errors on each measured graph when that one is left out (conformal prediction,
Vovk et al. 2005; Barber et al. 2021), so that its coverage does not hang on the model being right.

Carrying over to another device, runtime, precision or thread count is the same fit, with the costs found before as
start.

A prediction proposes and pre-screens. It never certifies: what is returned to a user has been measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from nas.errors import LatencyError
from nas.latency.predictor.features import TERMS, Features
from nas.latency.predictor.regression import Floats, Normal, best_fit, predict

LEAST_SAMPLES = 8
"""Measurements that a predictor of its own needs; 32 make a good one."""

LEAST_CARRIED = 4
"""Measurements that a predictor needs which was carried over; 8 make a good one."""

CONFIDENCE = 0.95
OUTSIDE = 0.1
"""A graph is called outside when more than this share of its latency is work beyond the most that was measured."""

SPREAD, SPREAD_CARRIED = 0.7, 0.5
SPEED_SD = 2.0
_NS = 1e-6
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Sample:
    """A measured model.

    Attributes:
        features: The work that its graph does.
        latency_ms: The measured latency.
        half_width: Half width of its 95% interval, as a share of the latency.
    """

    features: Features
    latency_ms: float
    half_width: float = 0.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """A predicted latency.

    Attributes:
        latency_ms: The most probable latency.
        low_ms: Lower end of its 95% interval.
        high_ms: Upper end of its 95% interval.
        beyond: Share of the latency that is work beyond the most that any measured graph did of its kind.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    beyond: float

    @property
    def outside(self) -> bool:
        """Whether this is an extrapolation."""
        return self.beyond > OUTSIDE


@dataclass(frozen=True, slots=True)
class Predictor:
    """What measured models say of all others, in one device, runtime, precision and thread count.

    Attributes:
        costs: The belief about log costs (ms a unit), in the order of `TERMS`.
        noise: Standard deviation of what the costs cannot explain, as a share.
        scale: Half width of the interval in standard deviations.
        most: The most of each kind of work in a measured graph, shape (terms,).
        samples: How many measurements it was fitted to.
    """

    costs: Normal
    noise: float
    scale: float
    most: Floats
    samples: int

    @classmethod
    def fit(cls, samples: Sequence[Sample]) -> Self:
        """Learn the costs from measured models.

        Raises:
            LatencyError: There are fewer than `LEAST_SAMPLES`, or a latency is not a positive number.
        """
        _check(samples, LEAST_SAMPLES)
        start = np.log([term.cost_ns * _NS for term in TERMS])
        covariance = SPREAD**2 * np.eye(len(TERMS)) + SPEED_SD**2
        return cls._fitted(samples, Normal(start, covariance), np.zeros(len(TERMS)))

    def carried_over(self, samples: Sequence[Sample]) -> Self:
        """A predictor for another device, runtime, precision or thread count, from this one and a few measurements.

        Raises:
            LatencyError: There are fewer than `LEAST_CARRIED`, or a latency is not a positive number.
        """
        _check(samples, LEAST_CARRIED)
        covariance = self.costs.covariance + SPREAD_CARRIED**2 * np.eye(len(TERMS)) + SPEED_SD**2
        return self._fitted(samples, Normal(self.costs.mean, covariance), self.most)

    def predict(self, features: Features) -> Prediction:
        """The latency of a graph."""
        work = np.asarray(features.amounts)
        middle, sd = predict(work, self.costs)
        reach = self.scale * float(np.hypot(sd, self.noise))
        beyond = float(np.exp(self.costs.mean) @ np.maximum(work - self.most, 0.0) / np.exp(middle))
        middle_ms, low_ms, high_ms = (float(np.exp(middle + by)) for by in (0.0, -reach, reach))
        return Prediction(middle_ms, low_ms, high_ms, beyond)

    @classmethod
    def _fitted(cls, samples: Sequence[Sample], prior: Normal, most: Floats) -> Self:
        work = np.array([sample.features.amounts for sample in samples])
        times = np.array([sample.latency_ms for sample in samples])
        errors = np.array([sample.half_width for sample in samples]) / _Z
        found = best_fit(work, times, errors, prior)
        return cls(found.costs, found.noise, _scale(found.left_out), np.maximum(most, work.max(axis=0)), len(samples))


def _scale(left_out: Floats) -> float:
    """How many standard deviations reach over enough of the left-out errors, and never fewer than Student's t."""
    from scipy.special import stdtrit

    count = len(left_out)
    rank = min(int(np.ceil((count + 1) * CONFIDENCE)), count)
    floor = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
    return max(float(np.sort(np.abs(left_out))[rank - 1]), floor)


def _check(samples: Sequence[Sample], least: int) -> None:
    if len(samples) < least:
        raise LatencyError(
            f"the latency predictor needs at least {least} measured models, got {len(samples)}; "
            "let the search measure more, or measure them with ghostnas latency"
        )
    for sample in samples:
        if not 0 < sample.latency_ms < float("inf"):
            raise LatencyError(f"a measured latency must be a positive number of ms, got {sample.latency_ms:g}")
