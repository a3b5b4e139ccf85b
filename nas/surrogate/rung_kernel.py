"""A kernel over designs at rungs: what designs share, times what rungs share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process.kernels import Kernel

Values = NDArray[np.float64]

LEVEL = 100.0
"""Variance of what all scores of a rung are above those of the lowest one, in the variance of that one: it is learnt
from the scores alone."""


class AcrossRungs(Kernel):  # type: ignore[misc]
    """A kernel of designs, times what their rungs share, plus each rung's own level.

    The last column of a point is its rung, 0 for the lowest; the others are the design's features.
    """

    def __init__(self, designs: Kernel, correlation: float, spread: float) -> None:
        """Make the kernel.

        Args:
            designs: The kernel of designs.
            correlation: Between neighbouring rungs; its powers between others.
            spread: Standard deviation of designs at every rung above the lowest, in that at the lowest.
        """
        self.designs, self.correlation, self.spread = designs, correlation, spread

    def __call__(self, X: Values, Y: Values | None = None, eval_gradient: bool = False) -> Any:
        """The covariance of points, (X, Y); of X with themselves where Y is not given."""
        other = X if Y is None else Y
        first, second = X[:, -1:], other[:, -1]
        shared = self.correlation ** np.abs(first - second) * self._spread(first) * self._spread(second)
        level = LEVEL * ((first == second) & (second > 0))
        covariance = self.designs(X[:, :-1], None if Y is None else Y[:, :-1]) * shared + level
        return (covariance, np.empty((len(X), len(X), 0))) if eval_gradient else covariance

    def diag(self, X: Values) -> Values:
        """The variance of each point."""
        rung = X[:, -1]
        return np.asarray(self.designs.diag(X[:, :-1]) * self._spread(rung) ** 2 + LEVEL * (rung > 0))

    def is_stationary(self) -> bool:
        """Whether only differences of points count: no."""
        return False

    def _spread(self, rung: Values) -> Values:
        return np.where(rung > 0, self.spread, 1.0)
