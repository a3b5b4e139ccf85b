"""Where the embedded set's objects lie: classes, places, overlaps and labels."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.data.synthetic.draw import Points

NAMES = ("disc", "ring", "speckled", "box", "striped", "framed")
SIZE = 192

_MIN_SIDE, _MAX_SIDE = 24.0, 96.0
_OVERLAP = 0.30  # the most that one object's box may cover of another's


@dataclass(frozen=True, slots=True)
class Placed:
    """An object's place: class, centre, half sides and rotation, in pixels and radians."""

    kind: int
    x: float
    y: float
    half_width: float
    half_height: float
    angle: float

    @property
    def round(self) -> bool:
        """Whether the outline is a disc."""
        return self.kind < 3

    def corners(self, scale: float = 1.0) -> Points:
        """Corners of the rectangle, (4, 2).

        Args:
            scale: Of the sides.
        """
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=np.float64)
        local = signs * [self.half_width * scale, self.half_height * scale]
        turned: Points = local @ np.array([[cos, sin], [-sin, cos]]) + [self.x, self.y]
        return turned

    def box(self, scale: float = 1.0) -> tuple[float, float, float, float]:
        """The enclosing upright box: left, top, right, bottom.

        Args:
            scale: Of the sides.
        """
        if self.round:
            radius = self.half_width * scale
            return self.x - radius, self.y - radius, self.x + radius, self.y + radius
        corners = self.corners(scale)
        (left, top), (right, bottom) = corners.min(0), corners.max(0)
        return float(left), float(top), float(right), float(bottom)


def place(rng: np.random.Generator) -> list[Placed]:
    """Objects of random class, size, shape and rotation that cover each other only a little.

    Args:
        rng: Source of chance.
    """
    placed: list[Placed] = []
    wanted = int(rng.integers(3, 9))
    for _ in range(wanted * 8):
        if len(placed) == wanted:
            break
        kind = int(rng.integers(0, len(NAMES)))
        side = math.exp(rng.uniform(math.log(_MIN_SIDE), math.log(_MAX_SIDE))) / 2
        aspect = 1.0 if kind < 3 else math.exp(rng.uniform(-0.5, 0.5))
        item = Placed(
            kind=kind,
            x=rng.uniform(0, SIZE),
            y=rng.uniform(0, SIZE),
            half_width=side * math.sqrt(aspect),
            half_height=side / math.sqrt(aspect),
            angle=rng.uniform(0, math.pi),
        )
        if _visible(item.box()) > 0.6 and all(_covers(item, other) < _OVERLAP for other in placed):
            placed.append(item)
    return placed


def _area(box: tuple[float, float, float, float]) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _visible(box: tuple[float, float, float, float]) -> float:
    inside = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], SIZE), min(box[3], SIZE))
    return _area(inside) / _area(box)


def _covers(one: Placed, other: Placed) -> float:
    a, b = (item.box(1.5 if item.kind == 5 else 1.0) for item in (one, other))
    common = (max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
    return _area(common) / min(_area(a), _area(b))


def labels_of(placed: list[Placed]) -> NDArray[np.float32]:
    """Labels as in Ultralytics' files, (objects, 5), clipped to the picture.

    Args:
        placed: The objects.
    """
    rows = []
    for item in placed:
        left, top, right, bottom = (min(max(side, 0.0), SIZE) / SIZE for side in item.box())
        rows.append((item.kind, (left + right) / 2, (top + bottom) / 2, right - left, bottom - top))
    return np.array(rows, dtype=np.float32).reshape(-1, 5)
