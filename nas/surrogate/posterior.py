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
from nas.surrogate.gp import posterior

LEAST = 12
"""Scores below which nothing is learnt from them together."""

_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class ScoredDesign:
    """A design with one score.

    Attributes:
        architecture: The design.
        params: Its parameters.
        gflops: Its operations.
        score: Its score, a mAP in [0, 1].
    """

    architecture: Architecture
    params: int
    gflops: float
    score: float


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
    """

    estimates: tuple[AccuracyEstimate, ...]
    covariance: NDArray[np.float64]

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
        The posterior; None where there are fewer than `LEAST` scores, or all are equal.
    """
    return _posterior_of(tuple(scored))


@lru_cache(maxsize=4)  # a report asks for the same posterior in many places
def _posterior_of(scored: tuple[ScoredDesign, ...]) -> ScorePosterior | None:
    values = np.array([one.score for one in scored])
    if len(values) < LEAST or np.ptp(values) == 0:
        return None
    centre, unit = values.mean(), values.std()
    known = features(scored)
    mean, covariance = posterior(known, (values - centre) / unit, known)
    mean, covariance = centre + unit * mean, unit**2 * covariance
    half = _Z95 * np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    covariance.setflags(write=False)
    found = tuple(AccuracyEstimate(float(m), float(m - h), float(m + h)) for m, h in zip(mean, half, strict=True))
    return ScorePosterior(found, covariance)


def features(scored: Sequence[ScoredDesign]) -> NDArray[np.float64]:
    """Designs with their sizes as numbers, (designs, features); see `encode`.

    Args:
        scored: The designs.
    """
    return encode([described(one) for one in scored])


def described(one: ScoredDesign) -> dict[str, float | str]:
    """A design with its sizes as named numbers and kinds; sizes are logarithms."""
    return {"params": log(one.params), "gflops": log(one.gflops), **choices_of(one.architecture)}
