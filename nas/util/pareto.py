"""Pareto dominance and front for two objectives: latency (minimised) and accuracy (maximised).

Points are rows of an array of shape (n, 2): latency in milliseconds, accuracy as mAP in [0, 1].
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _points(points: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(array).all():
        raise ValueError("every latency and accuracy must be finite; a failed trial has no place in a front")
    return array


def front_indices(points: ArrayLike) -> list[int]:
    """Indices of the non-dominated points, from the fastest to the most accurate.

    A point is dominated when another is at most as slow and at least as accurate, and better in one of the two.
    Of equal points the first is kept.

    Args:
        points: Shape (n, 2): latency in ms, accuracy.
    """
    array = _points(points)
    order: Sequence[int] = np.lexsort((-array[:, 1], array[:, 0])).tolist()
    front: list[int] = []
    best = -np.inf
    for index in order:
        if array[index, 1] > best:
            front.append(index)
            best = array[index, 1]
    return front


def limited_front_indices(points: ArrayLike, meets: Sequence[bool]) -> list[int]:
    """Indices of the points that no other dominates, and of those that meet a limit and none that meets it dominates.

    Whether a latency meets a limit is decided by its interval, so a point that misses may dominate one that meets.

    Args:
        points: Shape (n, 2): latency in ms, accuracy.
        meets: (n,) whether each point meets the limit.

    Returns:
        The indices, from the fastest to the slowest.
    """
    array = _points(points)
    meeting = np.flatnonzero(meets)
    chosen = {*front_indices(array), *(int(meeting[at]) for at in front_indices(array[meeting]))}
    return sorted(chosen, key=lambda at: tuple(array[at]))
