"""The area that a front dominates, by which searches are compared."""

import numpy as np
from numpy.typing import ArrayLike

from nas.util.pareto import front_indices


def hypervolume(points: ArrayLike, reference: tuple[float, float]) -> float:
    """Area dominated by the points inside the reference box (Zitzler and Thiele, 1999, doi:10.1109/4235.797969).

    Args:
        points: Shape (n, 2): latency in ms, accuracy.
        reference: (latency, accuracy) of the worst corner: the slowest latency, the lowest accuracy that count.

    Returns:
        The area in ms times accuracy; 0.0 when no point lies inside the box.
    """
    array = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    inside = array[(array[:, 0] < reference[0]) & (array[:, 1] > reference[1])]
    volume, floor = 0.0, reference[1]
    for index in front_indices(inside):
        latency, accuracy = inside[index]
        volume += (reference[0] - latency) * (accuracy - floor)
        floor = accuracy
    return float(volume)
