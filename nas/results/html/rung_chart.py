"""The rungs as a chart: accuracy of every promoted design by the length of its training."""

from dataclasses import dataclass

from nas.results.html.axis import Axis, axis, log_axis
from nas.study import Outcome


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
        left_out: Promoted designs without a curve.
    """

    x: Axis
    y: Axis
    curves: tuple[Curve, ...]
    left_out: int


def rung_chart(outcome: Outcome, most: int) -> RungChart | None:
    """The chart of a search; None where no design was promoted.

    Args:
        outcome: The search.
        most: Designs that are shown: the best, the baselines, and of the others those that trained longest.
    """
    if not outcome.rungs:
        return None
    values = {label: _values(outcome, label) for label in outcome.rungs}
    across = log_axis(steps for some in values.values() for steps, _ in some)
    up = axis(score for some in values.values() for _, score in some)
    best = None if outcome.best is None else outcome.best.record.label
    baselines = {one.label for one in outcome.baseline_records}

    def role(label: str) -> str:
        return "best" if label == best else "baseline" if label in baselines else "front"

    curves = [
        Curve(label, role(label), tuple((across.at(steps), up.down(score)) for steps, score in some), some)
        for label, some in values.items()
    ]
    shown = sorted(curves, key=lambda one: (one.role != "front", one.values[-1]))[-most:]
    ordered = sorted(shown, key=lambda one: (one.role == "best", one.values[-1]))
    return RungChart(across, up, tuple(ordered), len(curves) - len(shown))


def _values(outcome: Outcome, label: str) -> tuple[tuple[int, float], ...]:
    proxies = outcome.proxy_scores
    first = ((outcome.proxy_steps, proxies[label]),) if label in proxies else ()
    longer = ((steps, one.score.map50_95) for steps, one in sorted(outcome.rungs[label].items()))
    return (*first, *longer)
