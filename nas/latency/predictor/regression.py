"""The arithmetic of `predictor.py`: the most probable costs, what is left uncertain, and errors when one is left out.

With X the work (samples, terms), theta the log costs and W = X exp(theta) / total the share of each term, the model
around theta is linear, log t = log(total) + W dtheta, so that each Gauss-Newton step is a normal regression. It is
solved among samples rather than terms, because there are fewer of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_NOISES = np.geomspace(0.004, 0.1, 9)
_NOISE, _NOISE_SD = np.log(0.025), 0.4
_STEPS = 60
_ENOUGH = 1e-7


@dataclass(frozen=True, slots=True)
class Normal:
    """A normal belief about log costs: mean (terms,), covariance (terms, terms)."""

    mean: Floats
    covariance: Floats


@dataclass(frozen=True, slots=True)
class Fit:
    """What samples say of the costs.

    Attributes:
        costs: The belief about log costs afterwards.
        noise: Standard deviation of what the costs cannot explain, as a share.
        left_out: Error of each sample when it is left out, in its own standard deviations.
    """

    costs: Normal
    noise: float
    left_out: Floats


def best_fit(work: Floats, times: Floats, errors: Floats, prior: Normal) -> Fit:
    """Fit with the most probable noise.

    Args:
        work: Shape (samples, terms), not negative, some work in each row.
        times: Shape (samples,), ms.
        errors: Standard deviation of each measurement, as a share of it.
        prior: The belief about log costs (ms a unit) beforehand.
    """
    fits = [_fit(work, times, np.hypot(errors, noise), prior, float(noise)) for noise in _NOISES]
    # A few samples can be explained without any noise at all; that it is a few percent is known beforehand.
    scores = [one[0] - 0.5 * ((np.log(one[1].noise) - _NOISE) / _NOISE_SD) ** 2 for one in fits]
    return fits[int(np.argmax(scores))][1]


def predict(work: Floats, costs: Normal) -> tuple[float, float]:
    """The log of one graph's latency and its standard deviation from the costs alone; work: (terms,)."""
    parts = work * np.exp(costs.mean)
    total = float(parts.sum())
    share = parts / total
    return float(np.log(total)), float(np.sqrt(share @ costs.covariance @ share))


def _fit(work: Floats, times: Floats, sd: Floats, prior: Normal, noise: float) -> tuple[float, Fit]:
    target = np.log(times)
    inverse = np.linalg.inv(prior.covariance)

    def loss(theta: Floats) -> float:
        misses = (target - np.log(work @ np.exp(theta))) / sd
        away = theta - prior.mean
        return float(misses @ misses + away @ inverse @ away)

    # The speed of the device comes first: from there the steps are small.
    theta = prior.mean + float(np.mean(target - np.log(work @ np.exp(prior.mean))))
    best = loss(theta)
    for _ in range(_STEPS):
        share, wanted, spread = _linear(work, target, sd, prior, theta)
        step = prior.mean + prior.covariance @ share.T @ np.linalg.solve(spread, wanted) - theta
        length = 1.0
        while (reached := loss(theta + length * step)) > best and length > 1e-3:
            length /= 2
        if reached >= best - _ENOUGH:
            break
        theta, best = theta + length * step, reached
    share, wanted, spread = _linear(work, target, sd, prior, theta)
    precision = np.linalg.inv(spread)
    pulled = precision @ wanted
    evidence = -0.5 * (float(wanted @ pulled) + float(np.linalg.slogdet(spread)[1]))
    gain = prior.covariance @ share.T
    costs = Normal(theta, prior.covariance - gain @ precision @ gain.T)
    # Leave-one-out of a normal model without refitting (Rasmussen and Williams 2006, eq. 5.12).
    left_out = pulled / np.sqrt(np.diag(precision))
    return evidence, Fit(costs, noise, left_out)


def _linear(work: Floats, target: Floats, sd: Floats, prior: Normal, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """Shares (samples, terms), what the regression has to explain (samples,), and its covariance beforehand."""
    parts = work * np.exp(theta)
    total = parts.sum(axis=1)
    share = parts / total[:, None]
    wanted = target - np.log(total) + share @ (theta - prior.mean)
    return share, wanted, share @ prior.covariance @ share.T + np.diag(sd**2)
