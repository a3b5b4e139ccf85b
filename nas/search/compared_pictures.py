"""Pictures of val with what the best design and the best baseline find, miss and invent in them."""

import base64
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas.data import read_picture
from nas.study import Box, ComparedPicture
from nas.util.printable import printable

if TYPE_CHECKING:
    from nas.data import Split
    from nas.proxy import Detected

CONFIDENCE = 0.25
"""From which on a detection is looked at in a picture; Ultralytics' own for predictions."""

RIGHT_IOU = 0.5
EACH = 4
"""Pictures that are shown of either group."""

PICTURES_BYTES = 240_000
"""All pictures together, in base64; they are made smaller until they fit."""

_SIZES = ((512, 78), (384, 70), (320, 60), (256, 50), (192, 40), (128, 30), (64, 20))
"""Longer side in pixels and WebP quality, from the finest to the coarsest."""


def compared_pictures(
    val: "Split", best: "Sequence[Detected]", rival: "Sequence[Detected]"
) -> tuple[ComparedPicture, ...]:
    """Some pictures of val, chosen by `chosen_pictures`, with the boxes of both designs.

    Args:
        val: The pictures.
        best: What the best design detects, one a picture.
        rival: What the best baseline detects in the same pictures.

    Raises:
        DataError: A picture cannot be read.
    """
    largest, median = chosen_pictures(*([_found(one) for one in some] for some in (best, rival)))
    places = [*largest, *median]
    pictures = [read_picture(val.images[at]) for at in places]
    return tuple(
        ComparedPicture(
            name=printable(val.images[at].name),
            group="largest" if place < len(largest) else "median",
            width=wide,
            height=high,
            webp=webp,
            objects=len(best[at].truth),
            best=boxes(best[at], picture.shape[1], picture.shape[0]),
            rival=boxes(rival[at], picture.shape[1], picture.shape[0]),
        )
        for place, (at, picture, (wide, high, webp)) in enumerate(zip(places, pictures, encoded(pictures), strict=True))
    )


def chosen_pictures(best: Sequence[int], rival: Sequence[int]) -> tuple[list[int], list[int]]:
    """Which pictures are shown: those with the largest and those with the median difference, whoever is ahead.

    Args:
        best: Objects that the best design found, a picture.
        rival: Objects that the best baseline found, a picture.

    Returns:
        The largest first, of equal ones the earlier; and those in the middle of that order.
    """
    order = sorted(range(len(best)), key=lambda at: (-abs(best[at] - rival[at]), at))
    middle = max(EACH, (len(order) - EACH) // 2)
    return order[:EACH], order[middle : middle + EACH]


def boxes(one: "Detected", width: int, height: int) -> tuple[Box, ...]:
    """What a design finds, misses and invents in a picture.

    Args:
        one: The picture.
        width: Of the picture in pixels.
        height: Of the picture in pixels.
    """
    sure = _sure(one)
    partner = _partners(sure)
    sides = np.array([width, height, width, height], dtype=np.float64)
    detections = [
        Box("found" if of >= 0 else "invented", int(kind), round(float(confidence), 3), *_corners(box / sides))
        for box, kind, confidence, of in zip(sure.boxes, sure.kinds, sure.confidence, partner, strict=True)
    ]
    missed = [
        Box("missed", int(kind), None, *_corners(box / sides))
        for at, (box, kind) in enumerate(zip(one.objects, one.truth, strict=True))
        if at not in partner
    ]
    return (*detections, *missed)


def encoded(pictures: Sequence[NDArray[np.uint8]]) -> list[tuple[int, int, str]]:
    """Width, height and WebP in base64 of each picture (BGR), as fine as fits into `PICTURES_BYTES` together.

    Args:
        pictures: At most a dozen.
    """
    made: list[tuple[int, int, str]] = []
    for longest, quality in _SIZES:
        made = [_webp(one, longest, quality) for one in pictures]
        if sum(len(webp) for _, _, webp in made) <= PICTURES_BYTES:
            break
    return made


def _webp(picture: NDArray[np.uint8], longest: int, quality: int) -> tuple[int, int, str]:
    height, width = picture.shape[:2]
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = Image.fromarray(np.ascontiguousarray(picture[:, :, ::-1])).resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "WEBP", quality=quality, method=6)
    return (*size, base64.b64encode(file.getvalue()).decode())


def _corners(box: NDArray[np.float64]) -> tuple[float, float, float, float]:
    left, top, right, bottom = (round(float(side), 4) for side in box.clip(0, 1))
    return left, top, right, bottom


def _sure(one: "Detected") -> "Detected":
    """A picture with the detections that are looked at."""
    kept = one.confidence >= CONFIDENCE
    return replace(one, boxes=one.boxes[kept], confidence=one.confidence[kept], kinds=one.kinds[kept])


def _partners(sure: "Detected") -> NDArray[np.int64]:
    from nas.proxy import partners

    return partners(sure, RIGHT_IOU)


def _found(one: "Detected") -> int:
    return int((_partners(_sure(one)) >= 0).sum())
