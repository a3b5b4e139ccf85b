"""The quantile against numpy's."""

import random

import numpy as np
import pytest

from nas.latency.protocol.quantile import quantile


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_quantile_is_numpys(share: float, count: int) -> None:
    values = [random.Random(count).random() for _ in range(count)]
    assert quantile(values, share) == pytest.approx(float(np.quantile(values, share)))
