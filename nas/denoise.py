"""What trials say together: a Gaussian process over designs, whose posterior is a trial's score without its luck.

One short training is one noisy number. Designs that are alike score alike, so the scores of the others tell how much of
it was luck: the posterior mean is the better estimate, and its interval says which designs cannot be told apart.
Method: Rasmussen and Williams 2006, chapter 2, http://gaussianprocess.org/gpml.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from nas.architecture import LEVELS, Architecture

LEAST = 8
"""Scores below which nothing is learnt from them together."""

_Z95 = 1.959964
_LINEAR, _SMOOTH, _NOISE = 1.0, 1.0, 0.5  # variances to begin with, of scores whose variance is 1
_LEAST_NOISE = 0.2  # with fewer scores than features, some fit explains them all without any noise
_FAR = 3.0  # length scale to begin with, in standard deviations of a feature, times the root of their number


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


def denoised(scored: Sequence[Scored]) -> list[Estimate] | None:
    """The posterior of each score, in the order given; a design may come several times.

    Args:
        scored: Designs and their scores.

    Returns:
        An estimate a score, equal for equal designs; None where there are fewer than `LEAST` scores, or all are equal.
    """
    values = np.array([one.score for one in scored])
    if len(values) < LEAST or values.std() == 0:
        return None
    centre, unit = values.mean(), values.std()
    mean, deviation = _posterior(features(scored), (values - centre) / unit)
    mean, half = centre + unit * mean, unit * _Z95 * deviation
    return [Estimate(float(m), float(m - h), float(m + h)) for m, h in zip(mean, half, strict=True)]


def features(scored: Sequence[Scored]) -> NDArray[np.float64]:
    """Designs as standardised numbers, (designs, features): sizes as logarithms, kinds as indicators.

    Args:
        scored: The designs.
    """
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.preprocessing import StandardScaler

    table = DictVectorizer(sparse=False).fit_transform([_described(one) for one in scored])
    return np.asarray(StandardScaler().fit_transform(table[:, table.std(axis=0) > 0]))


def _described(one: Scored) -> dict[str, float | str]:
    arch = one.architecture.canonical()
    described: dict[str, float | str] = {
        "params": log(one.params),
        "gflops": log(one.gflops),
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


def _posterior(table: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Mean and standard deviation of what is behind standardised scores, at the same designs."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel

    count = table.shape[1]
    linear = ConstantKernel(_LINEAR / count, (1e-4 / count, 10.0)) * DotProduct(0.0, "fixed")
    length = _FAR * count**0.5
    smooth = ConstantKernel(_SMOOTH, (1e-3, 10.0)) * Matern(length, (length / 10, length * 10), nu=2.5)
    kernel = linear + smooth + WhiteKernel(_NOISE, (_LEAST_NOISE, 1.0))
    process = GaussianProcessRegressor(kernel, n_restarts_optimizer=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at a bound: all noise, or no smooth part
        process.fit(table, values)
    mean, deviation = process.predict(table, return_std=True)
    noise = process.kernel_.k2.noise_level  # the prediction's variance is that of a new score, its luck included
    return mean, np.sqrt(np.clip(deviation**2 - noise, 0.0, None))
