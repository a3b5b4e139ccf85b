"""The acquisition function: expected improvement in accuracy times the probability of meeting the limits.

Learnt by Gaussian processes over what designs are chosen by, so that nothing has to be built of them.
Method: Jones et al. 1998, https://doi.org/10.1023/A:1008306431147; with constraints Gelbart et al. 2014,
https://arxiv.org/abs/1403.5607.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.surrogate.encoding import Described, encode
from nas.surrogate.gp import Scores, marginals
from nas.surrogate.posterior import read_at

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MeasuredDesign:
    """What is known of an evaluated design.

    Attributes:
        design: The design.
        used: The share that it takes of the limit that binds first, such as measured latency over target latency.
        scores: By rung, 0 for the lowest; empty when it was not trained.
        meets: Whether it meets every limit.
    """

    design: Described
    used: float
    scores: Mapping[int, float]
    meets: bool


def constrained_expected_improvement(
    seen: Sequence[MeasuredDesign], designs: Sequence[Described], least: float = 0.0
) -> Values:
    """The logarithm of the acquisition value of each design.

    The value is the expected gain in accuracy over the best design that meets every limit, in mAP, times the
    probability that the limit which binds first is used, but for no less than a share of it. As a logarithm it stays
    apart for designs that are all unlikely to gain (Ament et al. 2023, https://arxiv.org/abs/2310.20708).

    Args:
        seen: Evaluated designs, at least two of them trained.
        designs: What may be evaluated next.
        least: The least share of the limit that is of interest; 0 for any.

    Returns:
        (designs,) values; only logarithms of that probability where nothing that is trained meets every limit.
    """
    from scipy.special import log_ndtr

    known = len(seen)
    rows = encode([one.choices for one in (*(one.design for one in seen), *designs)])
    used, deviation = limit_used([one.design for one in seen], [one.used for one in seen], designs)
    likely = log_ndtr(-used / deviation)
    if least > 0:
        below = log_ndtr((np.log(least) - used) / deviation)
        likely = likely + np.log(-np.expm1(np.minimum(below - likely, -1e-9)))
    trained = [at for at, one in enumerate(seen) if one.scores]
    meeting = [place for place, at in enumerate(trained) if seen[at].meets]
    if not meeting:
        return np.asarray(likely)
    every = [(at, score, rung) for at in trained for rung, score in seen[at].scores.items()]
    at, values, rungs = (np.array(column) for column in zip(*every, strict=True))
    mean, deviation = _predicted(Scores(rows[at], values, rungs), np.concatenate([rows[trained], rows[known:]]))
    best, mean, deviation = mean[meeting].max(), mean[len(trained) :], deviation[len(trained) :]
    return np.asarray(likely + np.log(deviation) + log_gain((mean - best) / deviation))


def log_gain(z: Values) -> Values:
    """log(z cdf(z) + pdf(z)) of the standard normal distribution, also where that underflows."""
    from scipy.special import erfcx, ndtr

    near, far = np.maximum(z, -1.0), np.minimum(z, -1.0)
    ratio = np.log(erfcx(-far / 2**0.5) * -far) + np.log(np.pi / 2) / 2
    below = -(far**2) / 2 - np.log(2 * np.pi) / 2 + np.log(-np.expm1(np.minimum(ratio, -1e-12)))
    return np.asarray(np.where(z > -1, np.log(near * ndtr(near) + np.exp(-(near**2) / 2) / np.sqrt(2 * np.pi)), below))


def limit_used(
    seen: Sequence[Described], shares: Sequence[float], designs: Sequence[Described]
) -> tuple[Values, Values]:
    """The share of a limit that designs use, from that of others: a process over the choices around the rough work.

    Args:
        seen: Designs whose share is known.
        shares: These shares; milliseconds will do.
        designs: The designs.

    Returns:
        Mean and standard deviation of the share's logarithm, (designs,) each.
    """
    number, known = len(seen), np.log(shares)
    rows = encode([one.choices for one in (*seen, *designs)])
    work = np.log([one.work for one in (*seen, *designs)])
    slope, offset = np.polyfit(work[:number], known, 1) if np.ptp(work[:number]) > 0 else (0.0, known.mean())
    around = Scores(rows[:number], known - slope * work[:number] - offset, np.zeros(number, dtype=np.int64))
    mean, deviation = _predicted(around, rows[number:])
    return mean + slope * work[number:] + offset, deviation


def _predicted(known: Scores, asked: Values) -> tuple[Values, Values]:
    """Mean and standard deviation of what is behind some values, at other designs."""
    lowest = known.values[known.rungs == 0]
    if np.ptp(lowest) == 0:
        return np.full(len(asked), lowest.mean()), np.full(len(asked), 1e-9)
    mean, variance = marginals(known, asked, read_at(known.rungs))
    return mean, np.sqrt(np.maximum(variance, 1e-12 * lowest.var()))
