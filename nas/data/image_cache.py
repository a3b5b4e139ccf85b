"""Pictures as one uint8 tensor in memory, letterboxed once to the training size.

The letterbox is the one of Ultralytics' validation: the longer side becomes the training size, the shorter
keeps the proportion, the rest is grey (114) on both sides.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.data.dataset import Split
from nas.data.picture import read_picture
from nas.errors import DataError

GREY = 114
MAX_BYTES = 4 * 2**30
_KEEP_BYTES = 2**30


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """The pictures of a split at one size.

    Attributes:
        images: (N, 3, imgsz, imgsz) uint8, RGB.
        boxes: (N, most objects, 5) float32: class, centre x, centre y, width, height as shares of the
            letterboxed picture; rows beyond a picture's objects are zero.
        counts: (N,) int64, objects a picture.
        shapes: (N, 2) float32, height and width of the original pictures.
        placing: (N, 4) float32, scale of x and y, left and top pad of the letterbox in pixels.
    """

    images: Tensor
    boxes: Tensor
    counts: Tensor
    shapes: Tensor
    placing: Tensor

    def __len__(self) -> int:
        return len(self.images)


_kept: OrderedDict[tuple[str, int, int], Pixels] = OrderedDict()


def pixels(split: Split, imgsz: int, limit_bytes: int = MAX_BYTES) -> Pixels:
    """The pictures of a split, letterboxed; kept in memory for the next call (1 GiB, the oldest goes).

    Args:
        split: The pictures.
        imgsz: Side of the square pictures, in pixels.
        limit_bytes: The most memory that one split may take; never more than half of what is free.

    Raises:
        DataError: They do not fit into memory, or a picture cannot be read.
    """
    limit = _allowed(limit_bytes)
    made = _held(split, imgsz, limit)
    if made is None:
        raise _too_large(split, imgsz, limit)
    return made


def check_memory(split: Split, imgsz: int, limit_bytes: int = MAX_BYTES) -> None:
    """Refuse a split that `pixels` would refuse for its size; reads no picture.

    Args:
        split: The pictures.
        imgsz: Side of the square pictures, in pixels.
        limit_bytes: The most memory that one split may take; never more than half of what is free.

    Raises:
        DataError: They do not fit into memory.
    """
    limit = _allowed(limit_bytes)
    if _needed(split, imgsz) > limit:
        raise _too_large(split, imgsz, limit)


def batches(split: Split, imgsz: int, size: int, limit_bytes: int = MAX_BYTES) -> Iterator[Pixels]:
    """The pictures of a split in order, a few at a time; of one too large for memory no more are held.

    Args:
        split: The pictures.
        imgsz: Side of the square pictures, in pixels.
        size: Pictures a batch; the last may have fewer.
        limit_bytes: The most memory that the whole split may take; never more than half of what is free.

    Raises:
        DataError: A picture cannot be read.
    """
    whole = _held(split, imgsz, _allowed(limit_bytes))
    for begin in range(0, len(split), size):
        if whole is None:
            yield read_pixels(split.part(begin, begin + size), imgsz)
        else:
            few = slice(begin, begin + size)
            yield Pixels(whole.images[few], whole.boxes[few], whole.counts[few], whole.shapes[few], whole.placing[few])


def _held(split: Split, imgsz: int, limit: int) -> Pixels | None:
    """The pictures of a split from memory, or into memory; None where they need more bytes than the limit."""
    key = (split.key, len(split), imgsz)
    if key in _kept:
        _kept.move_to_end(key)
        return _kept[key]
    if _needed(split, imgsz) > limit:
        return None
    made = read_pixels(split, imgsz)
    _kept[key] = made
    while len(_kept) > 1 and sum(one.images.nbytes for one in _kept.values()) > _KEEP_BYTES:
        _kept.popitem(last=False)
    return made


def _needed(split: Split, imgsz: int) -> int:
    return len(split) * 3 * imgsz * imgsz


def _allowed(limit_bytes: int) -> int:
    free: int = psutil.virtual_memory().available
    return min(limit_bytes, free // 2)


def _too_large(split: Split, imgsz: int, limit: int) -> DataError:
    needed, advice = _needed(split, imgsz), "a smaller --imgsz"
    if split.name == "train":
        share = max(math.floor(100 * limit / needed), 1) / 100
        advice = f"a --fraction {share:g} times as large, or {advice}"
    return DataError(
        f"the {len(split)} pictures of `{split.name}` at {imgsz} px need {needed / 2**20:.0f} MiB "
        f"of memory and {limit / 2**20:.0f} MiB may be used; try {advice}"
    )


def read_pixels(split: Split, imgsz: int) -> Pixels:
    """The pictures of a split, letterboxed, for a single use: they are not kept.

    Args:
        split: The pictures.
        imgsz: Side of the square pictures, in pixels.

    Raises:
        DataError: A picture cannot be read.
    """
    most = max((len(labels) for labels in split.labels), default=0)
    images = torch.empty((len(split), 3, imgsz, imgsz), dtype=torch.uint8)
    boxes = np.zeros((len(split), max(most, 1), 5), dtype=np.float32)
    shapes = np.empty((len(split), 2), dtype=np.float32)
    placing = np.empty((len(split), 4), dtype=np.float32)
    for index, (path, labels) in enumerate(zip(split.images, split.labels, strict=True)):
        picture = read_picture(path)
        boxed, (across, down), left, top = letterbox(picture, imgsz)
        rgb = np.ascontiguousarray(boxed[..., ::-1].transpose(2, 0, 1))  # (3, imgsz, imgsz)
        images[index] = torch.from_numpy(rgb)
        height, width = picture.shape[:2]
        shapes[index], placing[index] = (height, width), (across, down, left, top)
        sides = np.array([width * across, height * down] * 2, dtype=np.float32)
        rows = boxes[index, : len(labels)]
        rows[:, 0] = labels[:, 0]
        rows[:, 1:] = labels[:, 1:] * sides
        rows[:, 1:] = (rows[:, 1:] + np.array([left, top, 0, 0], dtype=np.float32)) / imgsz
    counts = torch.tensor([len(labels) for labels in split.labels], dtype=torch.int64)
    return Pixels(images, torch.from_numpy(boxes), counts, torch.from_numpy(shapes), torch.from_numpy(placing))


def letterbox(picture: NDArray[np.uint8], imgsz: int) -> tuple[NDArray[np.uint8], tuple[float, float], int, int]:
    """Fit a picture into a grey square.

    Args:
        picture: (height, width, 3).
        imgsz: Side of the square.

    Returns:
        The square, the scales of x and y (they differ by rounding), and the grey columns on the left and rows
        on the top.
    """
    height, width = picture.shape[:2]
    scale = imgsz / max(height, width)
    if scale != 1:
        size = (min(math.ceil(width * scale), imgsz), min(math.ceil(height * scale), imgsz))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    high, wide = picture.shape[:2]
    # Half a grey row more goes to the bottom and right, as in Ultralytics' LetterBox.
    top, left = round((imgsz - high) / 2 - 0.1), round((imgsz - wide) / 2 - 0.1)
    square = np.full((imgsz, imgsz, 3), GREY, dtype=np.uint8)
    square[top : top + high, left : left + wide] = picture
    return square, (wide / width, high / height), left, top
