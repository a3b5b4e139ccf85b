"""The acquisition function: expected improvement in accuracy times the probability of meeting the target.

Learnt by Gaussian processes over what designs are chosen by, without sizes that would have to be counted.
Method: Jones et al. 1998, https://doi.org/10.1023/A:1008306431147; with constraints Gelbart et al. 2014,
https://arxiv.org/abs/1403.5607.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.architecture import Architecture
from nas.surrogate.encoding import choices_of, encode
from nas.surrogate.gp import marginals

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MeasuredDesign:
    """What is known of an evaluated design.

    Attributes:
        architecture: The design.
        latency_ms: Its measured latency.
        accuracy: Its score, None when it was not trained.
        meets: Whether it meets the target.
    """

    architecture: Architecture
    latency_ms: float
    accuracy: float | None
    meets: bool


def constrained_expected_improvement(
    seen: Sequence[MeasuredDesign], designs: Sequence[Architecture], target_ms: float
) -> Values:
    """The acquisition value of each design: the expected gain in accuracy over the best that meets the target, in mAP.

    Args:
        seen: Evaluated designs, at least two of them trained.
        designs: What may be evaluated next.
        target_ms: The latency limit.

    Returns:
        (designs,) values, at least 0; only probabilities of meeting the target where no trained design meets it.
    """
    from scipy.stats import norm

    known = len(seen)
    rows = encode([choices_of(one) for one in (*(one.architecture for one in seen), *designs)])
    latency, deviation = _predicted(rows[:known], np.log([one.latency_ms for one in seen]), rows[known:])
    likely = norm.cdf((np.log(target_ms) - latency) / deviation)
    trained = [at for at, one in enumerate(seen) if one.accuracy is not None]
    meeting = [place for place, at in enumerate(trained) if seen[at].meets]
    if not meeting:
        return np.asarray(likely)
    scores = np.array([seen[at].accuracy for at in trained], dtype=float)
    mean, deviation = _predicted(rows[trained], scores, np.concatenate([rows[trained], rows[known:]]))
    best, mean, deviation = mean[meeting].max(), mean[len(trained) :], deviation[len(trained) :]
    gain = (mean - best) / deviation
    return np.asarray(likely * deviation * (gain * norm.cdf(gain) + norm.pdf(gain)))


def _predicted(rows: Values, values: Values, asked: Values) -> tuple[Values, Values]:
    """Mean and standard deviation of what is behind some values, at other designs."""
    centre, unit = values.mean(), values.std()
    if np.ptp(values) == 0:
        return np.full(len(asked), centre), np.full(len(asked), 1e-9)
    mean, variance = marginals(rows, (values - centre) / unit, asked)
    return centre + unit * mean, unit * np.sqrt(np.clip(variance, 1e-12, None))
