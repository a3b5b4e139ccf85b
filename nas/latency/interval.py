"""The two statistics of the protocol, as pure functions on lists of times."""

import math
from collections.abc import Sequence
from statistics import median

CONFIDENCE = 0.95


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


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float, float] | None:
    """The median, and the distribution-free interval around it between two order statistics.

    The k-th smallest and the k-th largest of n independent values enclose the median with probability
    1 - 2 P(Binomial(n, 1/2) < k); the largest k that keeps the confidence is taken.

    Returns:
        Median, lower end and upper end; None when the sample is too small for the confidence (below 6 for
        95%).
    """
    n = len(values)
    allowed = (1 - confidence) / 2 * 2**n
    below, k = 0, 0
    while below + math.comb(n, k) <= allowed:
        below += math.comb(n, k)
        k += 1
    if k == 0:
        return None
    ordered = sorted(values)
    return median(ordered), ordered[k - 1], ordered[n - k]
