"""The statistics against closed forms."""

import random
import statistics

import numpy as np
import pytest

from nas.latency.interval import median_interval, quantile


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_quantile_is_numpys(share: float, count: int) -> None:
    values = [random.Random(count).random() for _ in range(count)]
    assert quantile(values, share) == pytest.approx(float(np.quantile(values, share)))


@pytest.mark.parametrize(("count", "low"), [(6, 1), (9, 2), (10, 2), (20, 6), (50, 18), (100, 40)])
def test_the_ranks_are_the_tabulated_ones(count: int, low: int) -> None:
    # Conover, Practical Nonparametric Statistics: 95% intervals of the median.
    values = [float(value) for value in range(1, count + 1)]
    random.Random(0).shuffle(values)
    assert median_interval(values) == (statistics.median(values), low, count + 1 - low)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_sample_too_small_for_the_confidence_has_no_interval(count: int) -> None:
    assert median_interval([1.0] * count) is None


@pytest.mark.parametrize("count", [10, 31])
def test_the_interval_covers_the_median_as_often_as_it_says(count: int) -> None:
    rng = random.Random(7)
    covered = 0
    for _ in range(2000):
        interval = median_interval([rng.expovariate(1.0) for _ in range(count)])
        assert interval is not None
        covered += interval[1] <= 0.693147 <= interval[2]
    assert covered / 2000 > 0.94
