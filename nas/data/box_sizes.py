"""How large the boxes of a data set are at an input size: what is smaller than a few pixels is hardly found."""

from collections.abc import Sequence

import numpy as np

from nas.data.dataset import Labels

SMALL_PX = 8
"""Side of a small box: the stride of P3, the finest map of an ordinary detector."""
MANY = 0.05
"""Share of small boxes that is worth a sentence."""
LARGEST_PX = 1280
"""Input sizes are looked at up to this one."""

_MULTIPLE = 32


def relative_sides(labels: Sequence[Labels], shapes: Sequence[tuple[int, int]]) -> tuple[float, ...]:
    """The side of each box, as a share of its picture's longer side; a box's side is the root of its area.

    Args:
        labels: One array a picture, shape (objects, 5): class, centre x, centre y, width, height.
        shapes: Height and width of each picture, in pixels.
    """
    return tuple(
        float(side)
        for rows, (height, width) in zip(labels, shapes, strict=True)
        for side in np.sqrt(rows[:, 3] * width * rows[:, 4] * height) / max(height, width)
    )


def share_of_small(sides: Sequence[float], imgsz: int) -> float:
    """The share of boxes that are smaller than `SMALL_PX` at an input size.

    Args:
        sides: Of `relative_sides`, at least one.
        imgsz: Input size in pixels; the longer side of each picture is scaled to it.
    """
    return float((np.asarray(sides) * imgsz < SMALL_PX).mean())


def small_boxes(sides: Sequence[float], sizes: Sequence[int]) -> str | None:
    """The sentence on boxes that are too small for some input sizes.

    Args:
        sides: Of `relative_sides`.
        sizes: The input sizes, in pixels.

    Returns:
        The share at each size, and from which size on they are few; None where they are few at every size.
    """
    if not sides or not sizes:
        return None
    shares = {size: share_of_small(sides, size) for size in sorted(sizes)}
    if max(shares.values()) < MANY:
        return None
    each = ", ".join(f"{share:.0%} at {size} px" for size, share in shares.items())
    larger = range(_MULTIPLE, LARGEST_PX + 1, _MULTIPLE)
    enough = next((size for size in larger if share_of_small(sides, size) < MANY), None)
    few = f"under {MANY:.0%} from {enough} px on" if enough else f"{MANY:.0%} or more up to {LARGEST_PX} px"
    return f"train: boxes smaller than {SMALL_PX}x{SMALL_PX} px are hardly found: {each}; {few} (--imgsz)"
