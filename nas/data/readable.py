"""Whether every picture can be read, before hours are spent on the others."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from nas.data.pixels import read_picture
from nas.data.values import DetectionData

_JPEG = ("JPEG", "MPO")
_JPEG_END = b"\xff\xd9"
_VERIFIED_WHOLE = ("PNG", "WEBP")
"""Formats of which Pillow's `verify` notices that the end is missing; of others it reads the header."""


def check_pictures(data: DetectionData) -> None:
    """Look at both ends of every JPEG, PNG and WebP (0.2 ms each); what else there is is decoded as a training would.

    Args:
        data: Its three parts are checked.

    Raises:
        DataError: A picture cannot be read; the message names the file.
    """
    with _quiet():
        for part in (data.train, data.select, data.val):
            for path in part.images:
                if not _surely_whole(path):
                    read_picture(path)


def _surely_whole(path: Path) -> bool:
    """Whether Pillow vouches for a picture from the first byte to the last."""
    try:
        with Image.open(path) as picture:
            kind = picture.format
            picture.verify()
        if kind not in _JPEG:
            return kind in _VERIFIED_WHOLE
        with path.open("rb") as file:
            file.seek(-len(_JPEG_END), os.SEEK_END)
            return file.read() == _JPEG_END
    except Exception:  # Pillow's plugins raise many kinds, and OpenCV reads formats it does not
        return False


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Ultralytics' word, whose own `Image.open` asks for a plugin where Pillow knows no format."""
    logger = logging.getLogger("ultralytics")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
