"""What trials say together: a Gaussian process over designs, whose posterior is a trial's score without its luck.

One short training is one noisy number. Designs that are alike score alike, so the scores of the others tell how much of
it was luck: the posterior mean is nearer to the truth, and its interval says which designs cannot be told apart.
Whether it also ranks better was measured (docs/proxies.md): with several seeds of a design, not with one each.
Method: Rasmussen and Williams 2006, chapter 2, http://gaussianprocess.org/gpml.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import log

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from nas.architecture import LEVELS, Architecture

LEAST = 12
"""Scores below which nothing is learnt from them together."""

# Shares of the scores' variance, and the length scale in typical distances between designs. All combinations are
# averaged by how probable they make the scores: with as many features as scores, the most probable one alone may take
# everything for noise, or nothing.
_NOISES = (0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85)
# Linear, smooth, and what a design shares with no other, of which there must be much: with less, the order follows the
# trend with size, and what beats the trend is lost (docs/proxies.md).
_PARTS = ((0.3, 0.2, 0.5), (0.1, 0.4, 0.5), (0.12, 0.08, 0.8))
_LENGTHS = (0.7, 1.5, 3.0)
_SELF = 1e-3  # a length that reaches no other design

_SIZES = ("params", "gflops", "imgsz")
_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Scored:
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
class Estimate:
    """A design's score without its luck: mean and 95% interval of the posterior."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Denoised:
    """The joint posterior of scored designs, in the order given.

    Attributes:
        estimates: One a score, equal for equal designs.
        covariance: Of what is behind the scores, (scores, scores).
    """

    estimates: tuple[Estimate, ...]
    covariance: NDArray[np.float64]

    def apart(self, first: int, second: int) -> bool:
        """Whether the 95% interval of the difference of two designs excludes zero."""
        together = self.covariance[first, second]
        variance = self.covariance[first, first] + self.covariance[second, second] - 2 * together
        difference = abs(self.estimates[first].mean - self.estimates[second].mean)
        return bool(difference > _Z95 * max(variance, 0.0) ** 0.5)


def denoised(scored: Sequence[Scored]) -> Denoised | None:
    """The posterior of scores; a design may come several times.

    Args:
        scored: Designs and their scores.

    Returns:
        The posterior; None where there are fewer than `LEAST` scores, or all are equal.
    """
    values = np.array([one.score for one in scored])
    if len(values) < LEAST or np.ptp(values) == 0:
        return None
    centre, unit = values.mean(), values.std()
    known = features(scored)
    mean, covariance = posterior(known, (values - centre) / unit, known)
    mean, covariance = centre + unit * mean, unit**2 * covariance
    half = _Z95 * np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    found = tuple(Estimate(float(m), float(m - h), float(m + h)) for m, h in zip(mean, half, strict=True))
    return Denoised(found, covariance)


def features(scored: Sequence[Scored]) -> NDArray[np.float64]:
    """Designs with their sizes as numbers, (designs, features); see `table`.

    Args:
        scored: The designs.
    """
    return table([described(one) for one in scored])


def table(designs: Sequence[dict[str, float | str]]) -> NDArray[np.float64]:
    """Described designs as numbers, (designs, features): kinds as indicators, all of one spread.

    Parameters, operations and input size weigh as much as all the rest together.

    Args:
        designs: As `described` or `choices` give them.
    """
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.preprocessing import StandardScaler

    vectorizer = DictVectorizer(sparse=False)
    numbers = vectorizer.fit_transform(designs)
    varied = np.ptp(numbers, axis=0) > 0  # the deviation of equal numbers need not be zero
    size = np.isin(vectorizer.get_feature_names_out()[varied], _SIZES)
    weights = np.where(size, 1 / max(size.sum(), 1), 1 / max((~size).sum(), 1)) ** 0.5
    return np.asarray(StandardScaler().fit_transform(numbers[:, varied]) * weights)


def described(one: Scored) -> dict[str, float | str]:
    """A design with its sizes as named numbers and kinds; sizes are logarithms."""
    return {"params": log(one.params), "gflops": log(one.gflops), **choices(one.architecture)}


def choices(architecture: Architecture) -> dict[str, float | str]:
    """What a design is chosen by, as named numbers and kinds; sizes are logarithms."""
    arch = architecture.canonical()
    described: dict[str, float | str] = {
        "imgsz": log(arch.imgsz),
        "stem_width": log(arch.stem_width),
        "neck_width": log(arch.neck_width),
        "box_width": log(arch.box_width),
        "cls_width": log(arch.cls_width),
        "reg_max": log(arch.reg_max),
        "sppf": float(arch.sppf),
        "c2psa": float(arch.c2psa),
        "end2end": float(arch.end2end),
    }
    described |= {name: getattr(arch, name) for name in ("activation", "c3k", "neck", "head", "levels")}
    for level, stage in zip(LEVELS, arch.stages, strict=True):
        described |= {
            f"{level}.block": stage.block,
            f"{level}.downsample": stage.downsample,
            f"{level}.width": log(stage.width),
            f"{level}.depth": float(stage.depth),
            f"{level}.expansion": log(stage.expansion),
            f"{level}.dfc_kernel": float(stage.dfc_kernel),
            f"{level}.dfc_pool": log(stage.dfc_pool),
            f"{level}.se": float(stage.se),
            f"{level}.ratio": float(stage.ratio),
            f"{level}.kernel": float(stage.kernel),
        }
    return described


def posterior(
    known: NDArray[np.float64], values: NDArray[np.float64], asked: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and covariance of what is behind standardised scores.

    Args:
        known: (scores, features), rows of `table`.
        values: (scores,), of mean 0 and deviation 1.
        asked: (designs, features), rows of the same table.

    Returns:
        (designs,) and (designs, designs).
    """
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, Matern, WhiteKernel

    norm = float((known**2).sum(axis=1).mean())  # 2, or 1 where only sizes or only kinds differ
    evidence, means, moments = [], [], []
    for noise, (linear, smooth, own), length in product(_NOISES, _PARTS, _LENGTHS):
        kernel = (
            ConstantKernel((1 - noise) * linear / norm, "fixed") * DotProduct(0.0, "fixed")
            + ConstantKernel((1 - noise) * smooth, "fixed") * Matern(length * norm**0.5, "fixed", nu=2.5)
            + ConstantKernel((1 - noise) * own, "fixed") * RBF(_SELF, "fixed")
            + WhiteKernel(noise, "fixed")
        )
        process = GaussianProcessRegressor(kernel, optimizer=None).fit(known, values)
        mean, covariance = process.predict(asked, return_cov=True)
        evidence.append(process.log_marginal_likelihood_value_)
        means.append(mean)
        # The prediction's covariance is that of new scores, their luck included.
        moments.append(covariance - noise * np.eye(len(asked)) + np.outer(mean, mean))
    weights = softmax(np.array(evidence))
    mean = weights @ np.array(means)
    return mean, np.tensordot(weights, np.array(moments), 1) - np.outer(mean, mean)
