"""The quantile of the protocol, a pure function on lists of times; needs the standard library alone."""

import math
from collections.abc import Sequence


def quantile(values: Sequence[float], share: float) -> float:
    """The quantile of a sample, linearly interpolated between order statistics (Hyndman and Fan's type 7).

    Args:
        values: At least one value.
        share: Between 0 (the smallest) and 1 (the largest).
    """
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])
