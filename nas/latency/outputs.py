"""How far an exported file's numbers are from torch's."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nas.errors import ModelError

Pixels = NDArray[np.float32]
Predict = Callable[[Pixels], Pixels]
"""From pictures (B, 3, imgsz, imgsz) to raw detections (B, 4 + classes, anchors), or, of a head without NMS, to
detections (B, up to 300, 6)."""

_DETECTION = 6  # x1, y1, x2, y2, score, class
_EXACT, _ROUNDED = 1e-4, 0.02


def relative_difference(output: Pixels, expected: Pixels, tied: float = _EXACT) -> float:
    """Largest |output - expected| / max(1, |expected|); infinite where a value is not a number.

    Detections of a head without NMS stand in the order of their scores, which the last digit can turn round: their
    scores are compared rank by rank, and each expected detection with the nearest one of the output (those that are
    tied with the last rank can be missing).

    Args:
        output: What the file answers.
        expected: What torch answers.
        tied: Scores of detections that are closer to the last rank's may as well be beyond it.

    Raises:
        ModelError: The shapes differ.
    """
    if output.shape != expected.shape:
        raise ModelError(f"the exported file answers with shape {output.shape}, torch with {expected.shape}")
    if expected.shape[-1] == _DETECTION:
        return max(_of_detections(*pair, tied) for pair in zip(output, expected, strict=True))
    return _largest(output, expected)


def _largest(output: Pixels, expected: Pixels) -> float:
    difference = np.abs(output - expected) / np.maximum(1.0, np.abs(expected))
    return float(np.nan_to_num(difference, nan=np.inf).max())


def _of_detections(output: Pixels, expected: Pixels, tied: float) -> float:
    """The same of one picture's detections (N, 6)."""
    if not np.isfinite(output).all():
        return float("inf")
    scores = _largest(np.sort(output[:, 4]), np.sort(expected[:, 4]))
    certain = expected[expected[:, 4] > expected[:, 4].min() + tied]
    apart = np.abs(output[None] - certain[:, None]) / np.maximum(1.0, np.abs(certain[:, None]))  # (certain, N, 6)
    nearest = apart.max(-1).min(-1)
    return max(scores, float(nearest.max(initial=0.0)))


def difference(predict: Predict, expected: Predict, pictures: Pixels) -> float:
    """The largest relative difference of two detectors' raw outputs over pictures, one at a time.

    Args:
        predict: The exported file (`predictions.opened_for_pictures`).
        expected: The torch model.
        pictures: (N, 3, imgsz, imgsz), at least one.

    Raises:
        ModelError: Their outputs have different shapes.
    """
    return max(relative_difference(predict(one[None]), expected(one[None]), _ROUNDED) for one in pictures)
