"""What trials say together: a Gaussian process over designs, whose posterior is a trial's score without its luck.

One short training is one noisy number. Designs that are alike score alike, so the scores of the others tell how much of
it was luck: the posterior mean is nearer to the truth, and its interval says which designs cannot be told apart.
Whether it also ranks better was measured (docs/development/proxy-figures.md): with several seeds of a design, not with
one each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log

import numpy as np
from numpy.typing import NDArray

from nas.architecture import Architecture
from nas.surrogate.encoding import choices_of, encode
from nas.surrogate.gp import Scores, posterior

LEAST = 12
"""Scores of the lowest rung below which nothing is learnt from them together."""

READ_AT = 3
"""Estimates are read at the highest rung that has so many scores: with fewer, what the rung adds for all is unknown."""

_DRAWS, _DRAWN_AT_ONCE = 4000, 250

_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class ScoredDesign:
    """A design with one score.

    Attributes:
        architecture: The design.
        params: Its parameters.
        gflops: Its operations.
        score: Its score, a mAP in [0, 1].
        rung: The rung of its training, 0 for the lowest.
    """

    architecture: Architecture
    params: int
    gflops: float
    score: float
    rung: int = 0


@dataclass(frozen=True, slots=True)
class AccuracyEstimate:
    """A design's score without its luck: mean and 95% interval of the posterior."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class ScorePosterior:
    """The joint posterior of scored designs, in the order given.

    Attributes:
        estimates: One a score, equal for equal designs.
        covariance: Of what is behind the scores, (scores, scores).
        rung: The rung at which it is read.
    """

    estimates: tuple[AccuracyEstimate, ...]
    covariance: NDArray[np.float64]
    rung: int = 0

    def best_of(self, rows: Sequence[int]) -> NDArray[np.float64]:
        """How probable each of some designs is the most accurate of them, by draws from the joint posterior.

        Args:
            rows: The designs, one row each.

        Returns:
            (rows,), together 1; the same for the same posterior.
        """
        rng, mean = np.random.default_rng(0), np.array([self.estimates[row].mean for row in rows])
        variances, directions = np.linalg.eigh(self.covariance[np.ix_(rows, rows)])
        factor = (directions * np.sqrt(np.clip(variances, 0.0, None))).T
        best = np.zeros(len(rows))
        for _ in range(_DRAWS // _DRAWN_AT_ONCE):
            drawn = mean + rng.standard_normal((_DRAWN_AT_ONCE, len(rows))) @ factor
            best += np.bincount(drawn.argmax(axis=1), minlength=len(rows))
        return best / _DRAWS

    def apart(self, first: int, second: int) -> bool:
        """Whether the 95% interval of the difference of two designs excludes zero."""
        together = self.covariance[first, second]
        variance = self.covariance[first, first] + self.covariance[second, second] - 2 * together
        difference = abs(self.estimates[first].mean - self.estimates[second].mean)
        return bool(difference > _Z95 * max(variance, 0.0) ** 0.5)


def posterior_of(scored: Sequence[ScoredDesign]) -> ScorePosterior | None:
    """The posterior of scores; a design may come several times.

    Args:
        scored: Designs and their scores.

    Returns:
        The posterior; None where the lowest rung has fewer than `LEAST` scores, or all its scores are equal.
    """
    return _posterior_of(tuple(scored))


@lru_cache(maxsize=4)  # a report asks for the same posterior in many places
def _posterior_of(scored: tuple[ScoredDesign, ...]) -> ScorePosterior | None:
    values, rungs = np.array([one.score for one in scored]), np.array([one.rung for one in scored], dtype=np.int64)
    lowest = values[rungs == 0]
    if len(lowest) < LEAST or np.ptp(lowest) == 0:
        return None
    rows, rung = features(scored), read_at(rungs)
    mean, covariance = posterior(Scores(rows, values, rungs), rows, rung)
    half = _Z95 * np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    covariance.setflags(write=False)
    found = tuple(AccuracyEstimate(float(m), float(m - h), float(m + h)) for m, h in zip(mean, half, strict=True))
    return ScorePosterior(found, covariance, rung)


def read_at(rungs: NDArray[np.int64]) -> int:
    """The rung at which estimates are read.

    Args:
        rungs: (scores,), of every score.
    """
    return next((int(rung) for rung in np.unique(rungs)[::-1] if (rungs == rung).sum() >= READ_AT), 0)


def features(scored: Sequence[ScoredDesign]) -> NDArray[np.float64]:
    """Designs with their sizes as numbers, (designs, features); see `encode`.

    Args:
        scored: The designs.
    """
    return encode([described(one) for one in scored])


def described(one: ScoredDesign) -> dict[str, float | str]:
    """A design with its sizes as named numbers and kinds; sizes are logarithms."""
    return {"params": log(one.params), "gflops": log(one.gflops), **choices_of(one.architecture)}
