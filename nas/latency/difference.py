"""How far an exported file's numbers are from torch's."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nas.errors import ModelError

Pixels = NDArray[np.float32]
Predict = Callable[[Pixels], Pixels]
"""From pictures (B, 3, imgsz, imgsz) to raw detections (B, 4 + classes, anchors)."""


def relative_difference(output: Pixels, expected: Pixels) -> float:
    """Largest |output - expected| / max(1, |expected|); infinite where a value is not a number.

    Raises:
        ModelError: The shapes differ.
    """
    if output.shape != expected.shape:
        raise ModelError(f"the exported file answers with shape {output.shape}, torch with {expected.shape}")
    difference = np.abs(output - expected) / np.maximum(1.0, np.abs(expected))
    return float(np.nan_to_num(difference, nan=np.inf).max())


def difference(predict: Predict, expected: Predict, pictures: Pixels) -> float:
    """The largest relative difference of two detectors' raw outputs over pictures, one at a time.

    Args:
        predict: The exported file (`predictions.opened_for_pictures`).
        expected: The torch model.
        pictures: (N, 3, imgsz, imgsz), at least one.

    Raises:
        ModelError: Their outputs have different shapes.
    """
    return max(relative_difference(predict(one[None]), expected(one[None])) for one in pictures)
