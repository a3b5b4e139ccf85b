"""What an exported file answers, and how far its numbers are from torch's: the bytes that are timed are scored."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nas.latency.artifacts.model_bytes import SizedModel
from nas.latency.runtimes.registry import open_session
from nas.latency.runtimes.session import check_finite
from nas.latency.types import LatencySettings

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
        predict: The exported file (`opened_for_pictures`).
        expected: The torch model.
        pictures: (N, 3, imgsz, imgsz), at least one.

    Raises:
        ModelError: Their outputs have different shapes.
    """
    return max(relative_difference(predict(one[None]), expected(one[None]), _ROUNDED) for one in pictures)


COMPARED_ON = 8
"""Pictures on which a file's outputs are compared with torch's."""


@contextmanager
def opened_for_pictures(model: SizedModel, settings: LatencySettings) -> Iterator[Callable[[Pixels], Pixels]]:
    """Open a file in its runtime and precision, on this machine.

    Yields:
        From pictures (B, 3, imgsz, imgsz), float32 in [0, 1], to the first output, (B, 4 + classes, anchors); one
        picture at a time, as it is timed.

    Raises:
        RuntimeMissing: The runtime is not installed here.
        LatencyError: The file does not run.
    """
    with open_session(model.model, model.imgsz, replace(settings, scope="compute")) as session:
        check_finite(session)

        def predict(pictures: Pixels) -> Pixels:
            found = []
            for picture in pictures:
                session.feed(np.ascontiguousarray(picture[None], dtype=np.float32))
                session.run()
                found.append(np.array(session.outputs()[0], dtype=np.float32))
            return np.concatenate(found)

        yield predict


FLOAT32_TOLERANCE = 1e-3
