"""Average precision by class and by object size, and which detection found which object.

Sizes are COCO's: the area of an object's box in the original picture, with the borders 32 and 96 pixels squared.
As in COCO's, a detection that at an IoU finds an object of another size, or that finds none and is itself of another
size, counts neither for nor against at that IoU. Which object it finds is decided as Ultralytics decides it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from nas.proxy.validation import Detected, Matched, matched, score_of
from nas.util import ultralytics_env

ultralytics_env.prepare()

from ultralytics.utils.metrics import ap_per_class, box_iou  # noqa: E402

_IOUS = np.linspace(0.5, 0.95, 10)


@dataclass(frozen=True, slots=True)
class Size:
    """A range of object sizes.

    Attributes:
        name: `small`, `medium` or `large`.
        low: Least area in square pixels of the original picture.
        high: Area from which on it is larger.
    """

    name: str
    low: float
    high: float


SIZES = (Size("small", 0.0, 32.0**2), Size("medium", 32.0**2, 96.0**2), Size("large", 96.0**2, float("inf")))
"""COCO's."""


def ap_by_class(pictures: Sequence[Detected]) -> Mapping[int, float]:
    """MAP50-95 of every class that occurs, by its number.

    Args:
        pictures: Some pictures; without an object in any there is no class.
    """
    every = [matched(one) for one in pictures]
    if not sum(len(one.truth) for one in every):
        return {}
    found = ap_per_class(
        np.concatenate([one.right for one in every]),
        np.concatenate([one.confidence for one in every]),
        np.concatenate([one.kinds for one in every]),
        np.concatenate([one.truth for one in every]),
    )
    return {int(kind): float(row.mean()) for kind, row in zip(found[6], found[5], strict=True)}


def ap_by_size(pictures: Sequence[Detected]) -> Mapping[str, float]:
    """MAP50-95 of every range of sizes that occurs, by its name; the mean over the classes that occur in it.

    Args:
        pictures: Some pictures.
    """
    found = [np.stack([partners(one, float(iou)) for iou in _IOUS], axis=1) for one in pictures]
    return {
        size.name: float(np.mean([_ap(pictures, found, size, place) for place in range(len(_IOUS))]))
        for size in SIZES
        if any(_inside(one.objects, size).any() for one in pictures)
    }


def partners(one: Detected, iou: float) -> NDArray[np.int64]:
    """Which object each detection found: of those of its class that are left, the one that it overlaps most.

    The most confident detection chooses first, and each object is found by one.

    Args:
        one: A picture.
        iou: Least overlap.

    Returns:
        (detections,), the object's index, or -1.
    """
    left = _overlaps(one)
    chosen = np.full(len(one.boxes), -1, dtype=np.int64)
    for detection in np.flatnonzero((left >= iou).any(axis=0)):
        wanted = left[:, detection].argmax()
        if left[wanted, detection] >= iou:
            chosen[detection] = wanted
            left[wanted] = 0
    return chosen


def areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Areas of boxes (n, 4) in square pixels, (n,)."""
    sides: NDArray[np.float32] = boxes[:, 2:] - boxes[:, :2]
    return sides[:, 0] * sides[:, 1]


def _overlaps(one: Detected) -> NDArray[np.float32]:
    """IoU of objects (rows) and detections of the same class; 0 of others."""
    found: NDArray[np.float32] = box_iou(torch.from_numpy(one.objects), torch.from_numpy(one.boxes)).numpy()
    found[one.truth[:, None] != one.kinds[None, :]] = 0
    return found


def _inside(boxes: NDArray[np.float32], size: Size) -> NDArray[np.bool_]:
    """Which boxes are of a size."""
    found: NDArray[np.bool_] = (areas(boxes) >= size.low) & (areas(boxes) < size.high)
    return found


def _ap(pictures: Sequence[Detected], found: Sequence[NDArray[np.int64]], size: Size, place: int) -> float:
    """AP of a size at one IoU.

    Args:
        pictures: Some pictures, at least one with an object of that size.
        found: The object of each detection at each IoU, (detections, 10), or -1; one a picture.
        size: The size.
        place: Of the IoU.
    """
    return score_of([_of_size(one, mine[:, place], size) for one, mine in zip(pictures, found, strict=True)]).map50_95


def _of_size(one: Detected, found: NDArray[np.int64], size: Size) -> Matched:
    """A picture with the objects of a size alone, and the detections that count for or against them at one IoU."""
    inside = _inside(one.objects, size)
    takes = found >= 0
    right = takes & inside[found] if len(inside) else takes
    kept = right | (_inside(one.boxes, size) & ~takes)
    return Matched(right[kept, None], one.confidence[kept], one.kinds[kept], one.truth[inside])
