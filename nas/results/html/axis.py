"""The axis of a chart: round ticks, and where a value lies in percent of its length."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_ROOM = 0.06
"""Of the range, left free at either end."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis.

    Attributes:
        at: Percent of the axis.
        text: What it says.
    """

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis, or a logarithmic one.

    Attributes:
        low: Value at its beginning.
        high: Value at its end.
        ticks: Its marks.
        log: Whether equal ratios are equally long.
    """

    low: float
    high: float
    ticks: tuple[Tick, ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value lies, in percent from the beginning; at an end where it is beyond it."""
        return _percent(value, self.low, self.high, log=self.log)

    def down(self, value: float) -> float:
        """The same from the end, as pictures count rows from above."""
        return round(100 - self.at(value), 3)


def axis(values: Iterable[float], marks: int = 6) -> Axis:
    """A linear axis that holds some values.

    Args:
        values: Finite numbers.
        marks: About how many ticks.
    """
    known = list(values) or [0.0, 1.0]
    low, high = min(known), max(known)
    room = (high - low) * _ROOM or abs(high) * _ROOM or 1.0
    low, high = low - room, high + room
    step = _step((high - low) / marks)
    digits = max(0, -math.floor(math.log10(step) + 1e-9) + (step / 10 ** math.floor(math.log10(step)) == 2.5))
    first, last = math.ceil(low / step), math.floor(high / step)
    at = [index * step for index in range(first, last + 1)]
    ticks = tuple(Tick(_percent(value, low, high, log=False), f"{value + 0.0:.{digits}f}") for value in at)
    return Axis(low, high, ticks)


def log_axis(values: Iterable[float]) -> Axis:
    """A logarithmic axis with a tick at each of some values.

    Args:
        values: Positive numbers.
    """
    known = sorted(set(values))
    low, high = known[0] / 1.15, known[-1] * 1.15
    ticks = tuple(Tick(_percent(value, low, high, log=True), f"{value:,.0f}") for value in known)
    return Axis(low, high, ticks, log=True)


def _step(least: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(one * power for one in _STEPS if one * power >= least * (1 - 1e-9))


def _percent(value: float, low: float, high: float, *, log: bool) -> float:
    if log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 3)
