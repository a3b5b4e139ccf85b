"""A few real pictures as an array: to quantise with, or to detect in while the clock runs."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nas.data.loader import load

QUANTISED_WITH = 64
"""Training pictures that an INT8 file is calibrated with."""

ROUGHLY_QUANTISED_WITH = 4
"""Pictures where only the time of an INT8 file is wanted, which its scales do not change."""


def sample_pictures(
    data: str | None, imgsz: int, count: int, part: Literal["train", "val"], fraction: float = 1.0
) -> NDArray[np.float32]:
    """The first pictures of a part, letterboxed.

    Args:
        data: Data YAML, or None for the embedded set.
        imgsz: Side of the square pictures in pixels.
        count: How many at most.
        part: `train` or `val`.
        fraction: Share of the training pictures, as a search uses it.

    Returns:
        Shape (N, 3, imgsz, imgsz), RGB in [0, 1].

    Raises:
        DataError: The data cannot be used.
    """
    from nas.data.image_cache import read_pixels

    split = getattr(load(data, fraction=fraction), part)
    return np.asarray(read_pixels(split.part(0, count), imgsz).images, dtype=np.float32) / np.float32(255)
