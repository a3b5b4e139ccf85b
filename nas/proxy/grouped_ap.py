"""Average precision by class and by object size, and which detection found which object.

Sizes are COCO's: the area of an object's box in the original picture, with the borders 32 and 96 pixels squared.
Whatever a detection of another size finds, or an object of another size takes, counts neither for nor against.
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
    found = {}
    for size in SIZES:
        every = [_of_size(one, size) for one in pictures]
        if sum(len(one.truth) for one in every):
            found[size.name] = score_of(every).map50_95
    return found


def partners(one: Detected, iou: float) -> NDArray[np.int64]:
    """Which object each detection found: one of its class that it overlaps most, each object by one detection.

    Args:
        one: A picture.
        iou: Least overlap.

    Returns:
        (detections,), the object's index, or -1.
    """
    return _partners(_overlaps(one), iou)


def areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Areas of boxes (n, 4) in square pixels, (n,)."""
    sides: NDArray[np.float32] = boxes[:, 2:] - boxes[:, :2]
    return sides[:, 0] * sides[:, 1]


def _overlaps(one: Detected) -> NDArray[np.float32]:
    """IoU of objects (rows) and detections of the same class; 0 of others."""
    found: NDArray[np.float32] = box_iou(torch.from_numpy(one.objects), torch.from_numpy(one.boxes)).numpy()
    found[one.truth[:, None] != one.kinds[None, :]] = 0
    return found


def _partners(overlaps: NDArray[np.float32], iou: float) -> NDArray[np.int64]:
    chosen = np.full(overlaps.shape[1], -1, dtype=np.int64)
    taken: set[int] = set()
    if not overlaps.size:
        return chosen
    nearest = overlaps.argmax(axis=0)
    for detection, wanted in enumerate(nearest.tolist()):  # the most confident first
        if overlaps[wanted, detection] >= iou and wanted not in taken:
            chosen[detection] = wanted
            taken.add(wanted)
    return chosen


def _of_size(one: Detected, size: Size) -> Matched:
    """A picture with the objects of a size alone, and the detections that count for or against them."""
    inside = (areas(one.objects) >= size.low) & (areas(one.objects) < size.high)
    own = (areas(one.boxes) >= size.low) & (areas(one.boxes) < size.high)
    overlaps = _overlaps(one)
    found = np.stack([_partners(overlaps, float(iou)) for iou in _IOUS], axis=1)
    takes = found >= 0
    right = takes & inside[found] if len(inside) else takes
    # A detection stays where it is right at some overlap, or is of this size and takes no object of another.
    kept = right.any(axis=1) | (own & ~takes.any(axis=1))
    return Matched(right[kept], one.confidence[kept], one.kinds[kept], one.truth[inside])
