"""How far two detectors' outputs are apart."""

import numpy as np
import pytest

from nas.errors import ModelError
from nas.latency.outputs import difference, relative_difference


def test_of_raw_outputs_it_is_the_largest_relative_one() -> None:
    expected = np.array([[[10.0, 0.5], [-4.0, 1.0]]], dtype=np.float32)
    output = np.array([[[11.0, 0.6], [-4.0, 1.0]]], dtype=np.float32)
    assert relative_difference(output, expected) == pytest.approx(0.1)
    output[0, 1, 1] = np.nan
    assert relative_difference(output, expected) == np.inf
    with pytest.raises(ModelError, match="shape"):
        relative_difference(output[:, :1], expected)


def detections(n: int = 8) -> np.ndarray:
    random = np.random.default_rng(0)
    boxes = random.uniform(0, 100, (n, 4))
    rows = np.column_stack([boxes, np.linspace(0.9, 0.1, n), np.arange(n)])
    return rows[None].astype(np.float32)


def test_detections_may_change_places() -> None:
    expected = detections()
    swapped = expected[:, [1, 0, 2, 3, 4, 5, 6, 7]]
    assert relative_difference(swapped, expected) == 0.0
    assert difference(lambda one: swapped, lambda one: expected, np.zeros((2, 3, 4, 4), np.float32)) == 0.0


@pytest.mark.parametrize(("column", "by"), [(0, 5.0), (4, 0.05), (5, 1.0)])
def test_a_detection_that_moved_or_changed_is_seen(column: int, by: float) -> None:
    expected = detections()
    output = expected.copy()
    output[0, 2, column] += by
    assert relative_difference(output, expected) > 0.01
    output[0, 2, column] = np.nan
    assert relative_difference(output, expected) == np.inf


def test_those_tied_with_the_last_may_be_others() -> None:
    expected = detections()
    expected[0, 6:, 4] = 0.2
    output = expected.copy()
    output[0, 6, :4] = 1000.0
    assert relative_difference(output, expected) == 0.0
