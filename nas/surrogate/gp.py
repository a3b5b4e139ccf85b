"""A Gaussian process over designs and rungs, averaged over noise, length scale and what rungs share.

With as many features as scores, the most probable noise and length alone may take everything for noise, or nothing; so
every process counts by how probable it makes the scores. Method: Rasmussen and Williams 2006, chapters 2 and 5,
http://gaussianprocess.org/gpml; over rungs the product of two kernels (Swersky et al. 2013, "Multi-Task Bayesian
Optimization", NeurIPS, section 2.2).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

Values = NDArray[np.float64]
Rungs = NDArray[np.int64]

# Shares of the scores' variance, and the length scale in typical distances between designs.
_NOISES = (0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85)
# Linear, smooth, and what a design shares with no other, of which there must be much: with less, the order follows the
# trend with size, and what beats the trend is lost (docs/development/proxy-figures.md).
_PARTS = ((0.3, 0.2, 0.5), (0.1, 0.4, 0.5), (0.12, 0.08, 0.8))
_LENGTHS = (0.7, 1.5, 3.0)
_SELF = 1e-3  # a length that reaches no other design
# Over several rungs: fewer noises and lengths, which matter less than how rungs are related. What was measured of
# ghostbench's trainings lies within these (docs/development/proxy-figures.md).
_FEWER_NOISES = (0.1, 0.35, 0.6)
_FEWER_LENGTHS = (1.5,)
_CORRELATIONS = (0.75, 0.95)  # between neighbouring rungs, without luck
_SPREADS = (0.5, 1.0, 2.0, 6.0)  # of designs above the lowest rung, in that of the lowest
_QUIETER = 0.4  # luck's share of the variance above the lowest rung, in that of the lowest


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What was scored, and at which rung.

    Attributes:
        designs: (scores, features), rows of `encoding.encode`.
        values: (scores,).
        rungs: (scores,), 0 for the lowest rung.
    """

    designs: Values
    values: Values
    rungs: Rungs


def posterior(known: Scores, asked: Values, rung: int) -> tuple[Values, Values]:
    """Mean and covariance of what is behind the scores of designs at a rung.

    Args:
        known: What was scored.
        asked: (designs, features), rows of the same table.
        rung: The rung at which it is asked; one that has scores.

    Returns:
        (designs,) and (designs, designs), in the unit of the scores.
    """
    centre, unit, processes = _processes(known)
    points = _at(asked, rung)

    def moments() -> Iterator[tuple[float, Values, Values]]:
        for process in processes:
            mean, covariance = process.predict(points, return_cov=True)
            yield process.log_marginal_likelihood_value_, mean, covariance + np.outer(mean, mean)

    mean, second = _average(moments())
    return centre + unit * mean, unit**2 * (second - np.outer(mean, mean))


def marginals(known: Scores, asked: Values, rung: int) -> tuple[Values, Values]:
    """Mean and variance of each design by itself, in half of the time that `posterior` takes.

    Args:
        known: As of `posterior`.
        asked: As of `posterior`.
        rung: As of `posterior`.

    Returns:
        (designs,) and (designs,).
    """
    centre, unit, processes = _processes(known)
    points = _at(asked, rung)

    def moments() -> Iterator[tuple[float, Values, Values]]:
        for process in processes:
            mean, deviation = process.predict(points, return_std=True)
            yield process.log_marginal_likelihood_value_, mean, deviation**2 + mean**2

    mean, second = _average(moments())
    return centre + unit * mean, unit**2 * np.clip(second - mean**2, 0.0, None)


def _at(designs: Values, rung: int | Rungs) -> Values:
    """Designs with the rung as a last column."""
    return np.column_stack([designs, np.broadcast_to(rung, len(designs)).astype(float)])


def _processes(known: Scores) -> "tuple[float, float, Iterator[GaussianProcessRegressor]]":
    """The centre and the unit of the scores, by the lowest rung, and the processes that are averaged."""
    lowest = known.values[known.rungs == known.rungs.min()]
    centre, unit = lowest.mean(), lowest.std()
    points, values = _at(known.designs, known.rungs), (known.values - centre) / unit
    return float(centre), float(unit), _fitted(points, values)


def _fitted(points: Values, values: Values) -> "Iterator[GaussianProcessRegressor]":
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, Matern

    from nas.surrogate.rung_kernel import AcrossRungs

    above = points[:, -1] > points[:, -1].min()
    grid = (
        (_FEWER_NOISES, _FEWER_LENGTHS, _CORRELATIONS, _SPREADS) if above.any() else (_NOISES, _LENGTHS, (1.0,), (1.0,))
    )
    norm = float((points[:, :-1] ** 2).sum(axis=1).mean())
    for (linear, smooth, own), noise, length, correlation, spread in product(_PARTS, *grid):
        kernel = (
            ConstantKernel((1 - noise) * linear / norm, "fixed") * DotProduct(0.0, "fixed")
            + ConstantKernel((1 - noise) * smooth, "fixed") * Matern(length * norm**0.5, "fixed", nu=2.5)
            + ConstantKernel((1 - noise) * own, "fixed") * RBF(_SELF, "fixed")
        )
        luck = noise * np.where(above, _QUIETER * spread**2, 1.0)
        across = AcrossRungs(kernel, correlation, spread)
        yield GaussianProcessRegressor(across, alpha=luck, optimizer=None).fit(points, values)


def _average(moments: Iterable[tuple[float, Values, Values]]) -> tuple[Values, Values]:
    """First and second moments averaged over processes, each by how probable it makes the scores.

    None is kept: together their matrices took 200 times the memory of one, 1.6 GB of a thousand scores.

    Args:
        moments: Of each process the logarithm of its probability, and both moments.
    """
    highest, total, first, second = -np.inf, 0.0, np.zeros(()), np.zeros(())
    for log_probability, one, two in moments:
        if log_probability > highest:
            before = np.exp(highest - log_probability)
            highest, total, first, second = log_probability, total * before, first * before, second * before
        weight = np.exp(log_probability - highest)
        total, first, second = total + weight, first + weight * one, second + weight * two
    return first / total, second / total
