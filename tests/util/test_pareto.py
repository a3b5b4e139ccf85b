"""Front and hypervolume against their definitions, counted point by point."""

import numpy as np
import pytest

from benchmarks.common.hypervolume import hypervolume
from nas.util.pareto import front_indices, limited_front_indices


def dominated(points: np.ndarray, index: int) -> bool:
    latency, accuracy = points[index]
    at_least = (points[:, 0] <= latency) & (points[:, 1] >= accuracy)
    better = (points[:, 0] < latency) | (points[:, 1] > accuracy)
    return bool((at_least & better).any())


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_what_nothing_dominates(seed: int) -> None:
    # A coarse grid, so that ties in one or both objectives occur.
    points = np.random.default_rng(seed).integers(0, 8, size=(40, 2)).astype(float)
    front = front_indices(points)
    kept = {tuple(points[i]) for i in range(len(points)) if not dominated(points, i)}
    assert {tuple(points[i]) for i in front} == kept and len(front) == len(kept)
    assert [points[i, 0] for i in front] == sorted(points[i, 0] for i in front)


def test_of_equal_points_the_first_is_kept() -> None:
    assert front_indices([[2.0, 0.5], [1.0, 0.5], [1.0, 0.5], [1.0, 0.4]]) == [1]


def test_a_point_that_misses_the_limit_hides_none_that_meets_it() -> None:
    points = [(1.2, 0.08), (2.46, 0.15), (2.465, 0.149), (2.3, 0.07), (2.47, 0.14)]
    assert front_indices(points) == [0, 1]
    assert limited_front_indices(points, [True, True, True, True, True]) == [0, 1]
    assert limited_front_indices(points, [True, False, True, True, True]) == [0, 1, 2]
    assert limited_front_indices(points, [False, False, False, True, False]) == [0, 3, 1]
    assert limited_front_indices([], []) == []


def test_no_points_no_front() -> None:
    assert front_indices([]) == []
    assert hypervolume([], (1.0, 0.0)) == 0.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_failed_measurement_has_no_place_in_a_front(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        front_indices([[1.0, bad]])


@pytest.mark.parametrize("seed", range(10))
def test_hypervolume_counts_the_dominated_cells(seed: int) -> None:
    points = np.random.default_rng(seed).integers(0, 9, size=(12, 2)).astype(float)
    cells = sum(bool(((points[:, 0] <= x) & (points[:, 1] >= y + 1)).any()) for x in range(7) for y in range(2, 9))
    assert hypervolume(points, (7.0, 2.0)) == pytest.approx(cells)


def test_points_outside_the_reference_add_nothing() -> None:
    assert hypervolume([[2.0, 0.5], [5.0, 0.9], [1.0, 0.0]], (4.0, 0.1)) == pytest.approx(2 * 0.4)
