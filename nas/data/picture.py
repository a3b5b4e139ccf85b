"""One picture file: its pixels as Ultralytics reads them, and whether Ultralytics would train on it as it is."""

import hashlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nas.errors import DataError, UsageError
from nas.util import ultralytics_env

JPEG_END = b"\xff\xd9"
_UNKNOWN = "Pillow knows no such format"


@dataclass(frozen=True, slots=True)
class Picture:
    """What is in a picture file.

    Attributes:
        pixels: Digest of the decoded picture: equal for equal pixels, whatever the format.
        height: Pixels, upright.
        width: Pixels, upright.
        trailing: Whether it is a JPEG with bytes after its end, which Ultralytics would encode anew in place.
    """

    pixels: str
    height: int
    width: int
    trailing: bool


def examine(path: Path) -> Picture:
    """Decode a picture, and let Ultralytics' own check judge it. The file is not written.

    Raises:
        DataError: It cannot be read, or Ultralytics would leave it out; says why.
    """
    trailing = _has_trailing_bytes(path)
    if trailing:
        with _ending_well(path) as copy:
            height, width = _judged(copy, path)
    else:
        height, width = _judged(path, path)
    pixels = read_picture(path)
    if (height, width) != pixels.shape[:2]:
        raise DataError(
            f"{path}: the file says {width}x{height} pixels and holds {pixels.shape[1]}x{pixels.shape[0]}; save it anew"
        )
    digest = hashlib.sha256(f"{height}x{width}/".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return Picture(digest.hexdigest()[:32], height, width, trailing)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """A picture as (height, width, 3) BGR, read by the function with which Ultralytics reads.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be read, or has no three channels of 8 bits.
    """
    try:
        with quiet():
            picture: Any = ultralytics_imread()(str(path), cv2.IMREAD_COLOR)
    except Exception:  # decoders and their plugins raise many kinds
        picture = None
    if picture is None:
        raise DataError(f"cannot read the picture {path}: it is damaged or of a format that OpenCV does not know")
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        shape = "x".join(map(str, picture.shape))
        raise DataError(f"{path}: Ultralytics reads it as {shape} {picture.dtype}, not as 8-bit colour; convert it")
    read: NDArray[np.uint8] = picture
    return read


@cache
def ultralytics_data() -> Any:
    """Ultralytics' module that checks pictures and reads labels.

    Raises:
        UsageError: Python would leave its checks out, which are assertions.
    """
    if not __debug__:
        raise UsageError(
            "Python runs without assertions, and by these Ultralytics checks pictures and labels; unset "
            "PYTHONOPTIMIZE, and leave -O out"
        )
    ultralytics_env.prepare()
    from ultralytics.data import utils

    return utils


@cache
def ultralytics_imread() -> Any:
    """Ultralytics' function that reads a picture."""
    ultralytics_env.prepare()
    from ultralytics.utils.patches import imread

    return imread


def ends_like_a_jpeg(path: Path) -> bool:
    """Whether the last two bytes are the end marker that Ultralytics asks of a JPEG."""
    with path.open("rb") as file:
        file.seek(-min(len(JPEG_END), os.fstat(file.fileno()).st_size), os.SEEK_END)
        return file.read() == JPEG_END


def _has_trailing_bytes(path: Path) -> bool:
    """Whether a file is a whole JPEG with more bytes after it.

    Raises:
        DataError: It is a JPEG that ends early.
    """
    from PIL import Image

    try:
        if ends_like_a_jpeg(path):
            return False
    except OSError as error:
        raise DataError(f"cannot read the picture {path}: {error.strerror or error}") from error
    try:
        with quiet(), Image.open(path) as picture:
            if picture.format != "JPEG":
                return False
            picture.load()
    except Exception as error:  # Pillow's plugins raise many kinds
        raise DataError(
            f"cannot read the picture {path}: it is damaged or of a format that is not read here "
            f"({_UNKNOWN if isinstance(error, ImportError) else _line(str(error), path)})"
        ) from error
    return True


@contextmanager
def _ending_well(path: Path) -> Iterator[Path]:
    """A copy of a JPEG with the end marker as its last bytes; what a decoder sees is the same."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "picture.jpg"
        copy.write_bytes(path.read_bytes() + JPEG_END)
        yield copy


def _judged(path: Path, named: Path) -> tuple[int, int]:
    """Height and width by Ultralytics' check of a picture.

    Args:
        path: The file; Ultralytics would write a JPEG that does not end in its marker.
        named: What an error calls it.
    """
    with quiet():
        judged = ultralytics_data().verify_image_label((str(path), "", "", False, 1, 0, 0, False))
    _, _, shape, *_, corrupt, message = judged
    if corrupt:
        if "pi_heif" in message:  # the plugin that Ultralytics tries on whatever Pillow does not know
            message = _UNKNOWN
        why = (message.partition("ignoring corrupt image/label: ")[2] or message).partition("Supported formats")[0]
        raise DataError(
            f"cannot use the picture {named}, which Ultralytics leaves out: "
            f"{_line(why.replace(str(path), named.name), named)}"
        )
    return int(shape[0]), int(shape[1])


def _line(words: str, path: Path) -> str:
    """Words of another library as one line, without the path that the sentence names already."""
    return " ".join(words.replace(str(path), path.name).split())


@contextmanager
def quiet() -> Iterator[None]:
    """Without the words of Ultralytics, OpenCV and Pillow on a picture; what is wrong with it is an error.

    Threads that read pictures are started inside of it: entered by several at once it could stay quiet for ever.
    """
    ultralytics_data(), ultralytics_imread()
    logger = logging.getLogger("ultralytics")
    before, logger.disabled = logger.disabled, True
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before
        cv2.utils.logging.setLogLevel(level)
