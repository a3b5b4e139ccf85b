"""The rungs as a chart: accuracy of every promoted design by the length of its training."""

from dataclasses import dataclass

from nas.results.html.axis import Axis, axis, log_axis
from nas.study import Outcome

NAMED = 10
"""Curves that have their label at the end."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A design's accuracy by the length of its training.

    Attributes:
        label: The design.
        role: `best`, `baseline` or `front` (any other candidate).
        points: Places in percent, (x, y).
        values: What they are: steps and mAP50-95.
    """

    label: str
    role: str
    points: tuple[tuple[float, float], ...]
    values: tuple[tuple[int, float], ...]

    @property
    def tip(self) -> str:
        """All of it, a line a training."""
        return "\n".join([self.label, *(f"{steps:,} steps: {score:.3f}" for steps, score in self.values)])


@dataclass(frozen=True, slots=True)
class RungChart:
    """The chart.

    Attributes:
        x: The axis of steps, logarithmic.
        y: The axis of accuracies.
        curves: One a promoted design, the best last.
    """

    x: Axis
    y: Axis
    curves: tuple[Curve, ...]


def rung_chart(outcome: Outcome) -> RungChart | None:
    """The chart of a search; None where no design was promoted.

    Args:
        outcome: The search.
    """
    if not outcome.rungs:
        return None
    values = {label: _values(outcome, label) for label in outcome.rungs}
    across = log_axis(steps for some in values.values() for steps, _ in some)
    up = axis(score for some in values.values() for _, score in some)
    best = None if outcome.best is None else outcome.best.record.label

    def role(label: str) -> str:
        return "best" if label == best else "front" if label.startswith("trial-") else "baseline"

    curves = [
        Curve(label, role(label), tuple((across.at(steps), up.down(score)) for steps, score in some), some)
        for label, some in values.items()
    ]
    return RungChart(across, up, tuple(sorted(curves, key=lambda one: (one.role == "best", one.values[-1]))))


def _values(outcome: Outcome, label: str) -> tuple[tuple[int, float], ...]:
    proxies = outcome.proxy_scores
    first = ((outcome.proxy_steps, proxies[label]),) if label in proxies else ()
    longer = ((steps, one.score.map50_95) for steps, one in sorted(outcome.rungs[label].items()))
    return (*first, *longer)
