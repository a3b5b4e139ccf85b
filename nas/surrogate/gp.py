"""A Gaussian process over designs and rungs, averaged over noise, length scale and what rungs share.

With as many features as scores, the most probable noise and length alone may take everything for noise, or nothing; so
every process counts by how probable it makes the scores. Method: Rasmussen and Williams 2006, chapters 2 and 5,
http://gaussianprocess.org/gpml; over rungs the product of two kernels (Swersky et al. 2013, "Multi-Task Bayesian
Optimization", NeurIPS, section 2.2).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

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
    centre, unit, fitted = _fitted(known)
    points, means, moments = _at(asked, rung), [], []
    for process in fitted:
        mean, covariance = process.predict(points, return_cov=True)
        means.append(mean)
        moments.append(covariance + np.outer(mean, mean))
    weights = _weights(fitted)
    mean = weights @ np.array(means)
    covariance = np.tensordot(weights, np.array(moments), 1) - np.outer(mean, mean)
    return centre + unit * mean, unit**2 * covariance


def marginals(known: Scores, asked: Values, rung: int) -> tuple[Values, Values]:
    """Mean and variance of each design by itself, in half of the time that `posterior` takes.

    Args:
        known: As of `posterior`.
        asked: As of `posterior`.
        rung: As of `posterior`.

    Returns:
        (designs,) and (designs,).
    """
    centre, unit, fitted = _fitted(known)
    points, means, moments = _at(asked, rung), [], []
    for process in fitted:
        mean, deviation = process.predict(points, return_std=True)
        means.append(mean)
        moments.append(deviation**2 + mean**2)
    weights = _weights(fitted)
    mean = weights @ np.array(means)
    variance = np.clip(weights @ np.array(moments) - mean**2, 0.0, None)
    return centre + unit * mean, unit**2 * variance


def _at(designs: Values, rung: int | Rungs) -> Values:
    """Designs with the rung as a last column."""
    return np.column_stack([designs, np.broadcast_to(rung, len(designs)).astype(float)])


def _fitted(known: Scores) -> "tuple[float, float, list[GaussianProcessRegressor]]":
    """The centre and the unit of the scores, by the lowest rung, and the processes that are averaged."""
    lowest = known.values[known.rungs == known.rungs.min()]
    centre, unit = lowest.mean(), lowest.std()
    points, values = _at(known.designs, known.rungs), (known.values - centre) / unit
    return float(centre), float(unit), list(_processes(points, values))


def _processes(points: Values, values: Values) -> "Iterator[GaussianProcessRegressor]":
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


def _weights(fitted: "list[GaussianProcessRegressor]") -> Values:
    """How probable each process makes the scores; all together 1."""
    return np.asarray(softmax([process.log_marginal_likelihood_value_ for process in fitted]))
