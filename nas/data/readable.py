"""Whether every picture can be read, before hours are spent on the others."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from nas.data.pixels import read_picture
from nas.data.values import DetectionData


def check_pictures(data: DetectionData) -> None:
    """Read the beginning of every picture (0.2 ms each); those that Pillow doubts are decoded as a training would.

    Args:
        data: Its three parts are checked.

    Raises:
        DataError: A picture cannot be read; the message names the file.
    """
    with _quiet():
        for part in (data.train, data.select, data.val):
            for path in part.images:
                try:
                    with Image.open(path) as picture:
                        picture.verify()
                except Exception:  # Pillow's plugins raise many kinds, and OpenCV reads formats it does not
                    read_picture(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Ultralytics' word, whose own `Image.open` asks for a plugin where Pillow knows no format."""
    logger = logging.getLogger("ultralytics")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
