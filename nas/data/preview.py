"""A picture of labelled samples, to see whether the labels are read as they are meant."""

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from nas.data.dataset import DetectionData, Labels
from nas.data.image_cache import letterbox
from nas.data.picture import read_picture
from nas.errors import StorageError

_TILE = 288
_LEGEND = 26
# Tells apart up to ten classes, also for most colour-blind eyes (after Tol's palettes); BGR.
_COLOURS = (
    (119, 68, 0), (51, 119, 238), (136, 153, 0), (119, 51, 238), (238, 187, 51),
    (17, 51, 204), (102, 204, 187), (187, 187, 187), (34, 136, 17), (119, 0, 170),
)  # fmt: skip


def write_preview(data: DetectionData, out: Path, count: int) -> int:
    """Write a PNG of labelled training pictures, spread evenly over the set; returns how many it shows.

    Args:
        data: The data set.
        out: The PNG.
        count: How many pictures, at most.

    Raises:
        DataError: A picture cannot be read.
        StorageError: The PNG cannot be written.
    """
    shown = np.linspace(0, len(data.train) - 1, min(count, len(data.train))).round().astype(int)
    columns = math.ceil(math.sqrt(len(shown)))
    rows = math.ceil(len(shown) / columns)
    sheet = np.full((_LEGEND + rows * _TILE, columns * _TILE, 3), 255, dtype=np.uint8)
    _legend(sheet, data.names)
    for place, index in enumerate(shown):
        top, left = _LEGEND + place // columns * _TILE, place % columns * _TILE
        tile = _tile(data.train.images[index], data.train.labels[index], data.names)
        sheet[top : top + _TILE, left : left + _TILE] = tile
    done, png = cv2.imencode(".png", sheet)
    try:
        if not done:
            raise OSError("OpenCV cannot encode PNG")
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(png.tobytes())
    except OSError as error:
        raise StorageError(f"cannot write the preview {out}: {error.strerror or error}") from error
    return len(shown)


def _tile(path: Path, labels: Labels, names: tuple[str, ...]) -> NDArray[np.uint8]:
    picture = read_picture(path)
    height, width = picture.shape[:2]
    tile, scales, left, top = letterbox(picture, _TILE - 4)
    tile = cv2.copyMakeBorder(tile, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    for kind, x, y, wide, high in labels:
        centre = np.array([x * width, y * height]) * scales + (left + 2, top + 2)
        half = np.array([wide * width, high * height]) * scales / 2
        (x1, y1), (x2, y2) = (centre - half).round().astype(int), (centre + half).round().astype(int)
        cv2.rectangle(tile, (int(x1), int(y1)), (int(x2), int(y2)), _colour(int(kind)), 2)
        _tag(tile, names[int(kind)], int(x1), int(y1), _colour(int(kind)))
    boxed: NDArray[np.uint8] = tile
    return boxed


def _colour(kind: int) -> tuple[int, int, int]:
    return _COLOURS[kind % len(_COLOURS)]


def _tag(tile: NDArray[np.uint8], text: str, left: int, top: int, colour: tuple[int, int, int]) -> None:
    """The class name on its colour, above the box where there is room."""
    (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.38, 1)
    left = max(0, min(left, tile.shape[1] - wide - 2))
    top = top if top > high + 4 else top + high + 5
    cv2.rectangle(tile, (left, top - high - 4), (left + wide + 2, top), colour, -1)
    ink = (0, 0, 0) if sum(colour) > 380 else (255, 255, 255)
    cv2.putText(tile, text, (left + 1, top - 3), cv2.FONT_HERSHEY_SIMPLEX, 0.38, ink, 1, cv2.LINE_AA)


def _legend(sheet: NDArray[np.uint8], names: tuple[str, ...]) -> None:
    left = 6
    for kind, name in enumerate(names):
        (wide, _), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
        if left + wide + 30 > sheet.shape[1]:
            break
        cv2.rectangle(sheet, (left, 7), (left + 12, 19), _colour(kind), -1)
        cv2.putText(sheet, name, (left + 17, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        left += wide + 30
