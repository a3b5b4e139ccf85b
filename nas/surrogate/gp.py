"""A Gaussian process over designs, averaged over noise levels and length scales by how probable they make the scores.

With as many features as scores, the most probable noise and length alone may take everything for noise, or nothing.
Method: Rasmussen and Williams 2006, chapters 2 and 5, http://gaussianprocess.org/gpml.
"""

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

Values = NDArray[np.float64]

# Shares of the scores' variance, and the length scale in typical distances between designs.
_NOISES = (0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85)
# Linear, smooth, and what a design shares with no other, of which there must be much: with less, the order follows the
# trend with size, and what beats the trend is lost (docs/development/proxy-figures.md).
_PARTS = ((0.3, 0.2, 0.5), (0.1, 0.4, 0.5), (0.12, 0.08, 0.8))
_LENGTHS = (0.7, 1.5, 3.0)
_SELF = 1e-3  # a length that reaches no other design


def posterior(known: Values, values: Values, asked: Values) -> tuple[Values, Values]:
    """Mean and covariance of what is behind standardised scores.

    Args:
        known: (scores, features), rows of `encoding.encode`.
        values: (scores,), of mean 0 and deviation 1.
        asked: (designs, features), rows of the same table.

    Returns:
        (designs,) and (designs, designs).
    """
    means, moments = [], []
    for noise, process in (fitted := list(_fitted(known, values))):
        mean, covariance = process.predict(asked, return_cov=True)
        means.append(mean)
        # The prediction's covariance is that of new scores, their luck included.
        moments.append(covariance - noise * np.eye(len(asked)) + np.outer(mean, mean))
    weights = _weights(fitted)
    mean = weights @ np.array(means)
    return mean, np.tensordot(weights, np.array(moments), 1) - np.outer(mean, mean)


def marginals(known: Values, values: Values, asked: Values) -> tuple[Values, Values]:
    """Mean and variance of each design by itself, in half of the time that `posterior` takes.

    Args:
        known: As of `posterior`.
        values: As of `posterior`.
        asked: As of `posterior`.

    Returns:
        (designs,) and (designs,).
    """
    means, moments = [], []
    for noise, process in (fitted := list(_fitted(known, values))):
        mean, deviation = process.predict(asked, return_std=True)
        means.append(mean)
        moments.append(deviation**2 - noise + mean**2)
    weights = _weights(fitted)
    mean = weights @ np.array(means)
    return mean, np.clip(weights @ np.array(moments) - mean**2, 0.0, None)


def _fitted(known: Values, values: Values) -> "Iterator[tuple[float, GaussianProcessRegressor]]":
    """The processes that are averaged, with their noise."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, Matern, WhiteKernel

    norm = float((known**2).sum(axis=1).mean())
    for noise, (linear, smooth, own), length in product(_NOISES, _PARTS, _LENGTHS):
        kernel = (
            ConstantKernel((1 - noise) * linear / norm, "fixed") * DotProduct(0.0, "fixed")
            + ConstantKernel((1 - noise) * smooth, "fixed") * Matern(length * norm**0.5, "fixed", nu=2.5)
            + ConstantKernel((1 - noise) * own, "fixed") * RBF(_SELF, "fixed")
            + WhiteKernel(noise, "fixed")
        )
        yield noise, GaussianProcessRegressor(kernel, optimizer=None).fit(known, values)


def _weights(fitted: "list[tuple[float, GaussianProcessRegressor]]") -> Values:
    """How probable each process makes the scores; all together 1."""
    return np.asarray(softmax([process.log_marginal_likelihood_value_ for _, process in fitted]))
