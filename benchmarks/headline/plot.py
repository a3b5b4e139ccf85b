"""The picture of a comparison: every final training, and every arm's mean with its interval."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.headline.arms import ARMS
from benchmarks.headline.bootstrap import Spread
from nas.util import ultralytics_env

ultralytics_env.prepare()

import matplotlib.pyplot as plt  # noqa: E402


def draw(path: Path, scores: Sequence[tuple[str, float]], found: Mapping[str, Spread], title: str) -> None:
    """Draw it.

    Args:
        path: PNG file.
        scores: Arm and mAP50-95 of each final training.
        found: The arms' means with their draws.
        title: Its title.
    """
    arms = [arm for arm in ARMS if arm.name in found]
    figure, axes = plt.subplots(figsize=(8, 0.6 * len(arms) + 1.4), layout="constrained")
    for place, arm in enumerate(reversed(arms)):
        mine = [score for name, score in scores if name == arm.name]
        axes.scatter(mine, [place] * len(mine), s=18, color="0.6")
        low, high = np.quantile(found[arm.name].draws, (0.025, 0.975))
        mean = found[arm.name].mean
        axes.errorbar(mean, place, xerr=[[max(0.0, mean - low)], [max(0.0, high - mean)]], fmt="o", capsize=4)
    axes.set_yticks(range(len(arms)), [f"({arm.number}) {arm.title}" for arm in reversed(arms)])
    axes.set_xlabel("mAP50-95")
    axes.set_title(title)
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)
