"""The picture of the rungs: every promoted design's score by the length of its training."""

from collections.abc import Mapping
from pathlib import Path

from nas.results.plot import canvas
from nas.study import Finalist, RungScores

NAMED = 10
"""Designs that the legend names."""


def draw_rungs(
    path: Path, proxies: Mapping[str, float], proxy_steps: int, scores: RungScores, best: Finalist | None
) -> None:
    """Write a PNG of mAP against steps.

    Args:
        path: The file.
        proxies: By label, the scores of the proxies.
        proxy_steps: Steps of a proxy.
        scores: Scores at the rungs.
        best: The design of best.yaml, which is drawn thick.
    """
    with canvas() as figure:
        axes = figure.add_subplot()
        lengths = sorted({proxy_steps, *(steps for some in scores.values() for steps in some)})
        farthest = sorted(scores, key=lambda label: (-max(scores[label]), label))
        for label in farthest:
            mine = {proxy_steps: proxies[label]} if label in proxies else {}
            mine |= {steps: one.score.map50_95 for steps, one in sorted(scores[label].items())}
            axes.plot(
                list(mine),
                list(mine.values()),
                "o-" if label.startswith("trial-") else "s--",
                lw=3 if best is not None and label == best.record.label else 1.2,
                label=label if label in farthest[:NAMED] else None,
            )
        axes.set_xscale("log")
        axes.set_xticks(lengths, [f"{steps:,}" for steps in lengths])
        axes.minorticks_off()
        axes.set_xlabel("steps of the training")
        axes.set_ylabel("mAP50-95 on the selection part")
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8, loc="lower right")
        figure.savefig(path, format="png")
