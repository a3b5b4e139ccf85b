"""The front as a chart: accuracy against latency of every trained design, and what the limits rejected."""

from collections.abc import Sequence
from dataclasses import dataclass

from nas.results.html.axis import Axis, axis
from nas.results.html.design_list import DesignEntry
from nas.study import Outcome

MOST_REJECTED = 400
"""Marks of rejected designs that are drawn."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A design in the chart; places in percent.

    Attributes:
        entry: The design.
        x: From the left.
        low: Where its latency's interval begins.
        high: Where it ends.
        y: From above.
    """

    entry: DesignEntry
    x: float
    low: float
    high: float
    y: float


@dataclass(frozen=True, slots=True)
class FrontChart:
    """The chart.

    Attributes:
        x: The axis of latencies in ms.
        y: The axis of accuracies.
        target: Where the target lies, in percent.
        target_ms: The target.
        dots: Every design, those that are drawn on top last.
        line: The front from the fastest to the slowest, as (x, y).
        rejected: Latencies of rejected designs, in percent.
        rejected_count: How many there are, drawn or not.
        counts: Designs by role.
    """

    x: Axis
    y: Axis
    target: float
    target_ms: float
    dots: tuple[Dot, ...]
    line: tuple[tuple[float, float], ...]
    rejected: tuple[float, ...]
    rejected_count: int
    counts: dict[str, int]


def front_chart(outcome: Outcome, entries: Sequence[DesignEntry]) -> FrontChart | None:
    """The chart of a search; None where nothing was trained.

    Args:
        outcome: The search.
        entries: Its trained designs.
    """
    if not entries:
        return None
    target_ms = outcome.settings.limits.target_ms
    across = axis([target_ms, *(end for one in entries for end in (one.x_low, one.x_high))])
    up = axis([one.y for one in entries])
    dots = [Dot(one, across.at(one.x), across.at(one.x_low), across.at(one.x_high), up.down(one.y)) for one in entries]
    front = {one.record.label for one in outcome.front}
    slow = [r.evaluation.latency.latency_ms for r in outcome.records if r.status == "rejected" and r.evaluation]
    drawn = [across.at(ms) for ms in slow if across.low <= ms <= across.high][:MOST_REJECTED]
    return FrontChart(
        x=across,
        y=up,
        target=across.at(target_ms),
        target_ms=target_ms,
        dots=tuple(reversed(dots)),
        line=tuple(sorted((dot.x, dot.y) for dot in dots if dot.entry.label in front)),
        rejected=tuple(drawn),
        rejected_count=len(slow),
        counts={role: sum(one.role == role for one in entries) for role in ("best", "baseline", "front", "other")},
    )
