"""Designs as rows of numbers, for what learns from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from nas.architecture import LEVELS, Architecture
from nas.surrogate.work import rough_work

_SIZES = ("params", "gflops", "imgsz")


@dataclass(frozen=True, slots=True)
class Described:
    """A design as an acquisition function sees it.

    Attributes:
        choices: What it is chosen by, as named numbers and kinds.
        work: What its latency grows with, roughly; equal for all where nothing is known.
    """

    choices: Mapping[str, float | str]
    work: float = 1.0


def described(architecture: Architecture) -> Described:
    """The choices and the rough work of an architecture.

    Args:
        architecture: The design.
    """
    return Described(choices_of(architecture), rough_work(architecture))


def encode(designs: Sequence[Mapping[str, float | str]]) -> NDArray[np.float64]:
    """Described designs as numbers, (designs, features): kinds as indicators, all of one spread.

    Each of parameters, operations and input size weighs a third of what all choices weigh together. Features that all
    designs share are left out.

    Args:
        designs: Designs as named numbers and kinds.
    """
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.preprocessing import StandardScaler

    vectorizer = DictVectorizer(sparse=False)
    numbers = vectorizer.fit_transform(designs)
    varied = np.ptp(numbers, axis=0) > 0  # the deviation of equal numbers need not be zero
    size = np.isin(vectorizer.get_feature_names_out()[varied], _SIZES)
    weights = np.where(size, 1 / len(_SIZES), 1 / max((~size).sum(), 1)) ** 0.5
    return np.asarray(StandardScaler().fit_transform(numbers[:, varied]) * weights)


def choices_of(architecture: Architecture) -> dict[str, float | str]:
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
