"""Draws the embedded set's pictures: small scenes with six classes of objects, from random numbers alone.

Every class is the double of another but for one trait, and colour, size, rotation and place say nothing:

    disc          a plain disc
    ring          a disc with a hole (shape)
    speckled      a disc with small dots (fine texture)
    box           a plain rectangle
    striped       a rectangle with stripes (fine texture)
    framed        a plain rectangle inside a thin frame; the label is the rectangle (context around the object)

The ground is textured, illumination falls off, bars and other objects cover parts, and unlabelled triangles, loose
frames and dots lie about. A drawing is the same for the same random generator.
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

NAMES = ("disc", "ring", "speckled", "box", "striped", "framed")
SIZE = 192

Picture = NDArray[np.float32]  # (height, width, 3), 0..255
Mask = NDArray[np.float32]  # (height, width), 0..1
Points = NDArray[np.float64]  # (corners, 2): x, y

_SHIFT = 4  # cv2 draws at 1/16 pixel
_MIN_SIDE, _MAX_SIDE = 14.0, 84.0
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
        return local @ np.array([[cos, sin], [-sin, cos]]) + [self.x, self.y]

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


def scene(rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw one picture with its labels.

    Args:
        rng: The only source of chance.

    Returns:
        The picture, (SIZE, SIZE, 3) BGR, and its labels, (objects, 5) as in Ultralytics' label files.
    """
    picture, ground = _ground(rng)
    for _ in range(int(rng.integers(2, 6))):
        _distractor(picture, rng)
    placed = _place(rng)
    for item in placed:
        _draw(picture, item, _contrasting(rng, ground), rng)
    for _ in range(int(rng.integers(0, 3))):
        _bar(picture, rng)
    return _develop(picture, rng), _labels(placed)


def _ground(rng: np.random.Generator) -> tuple[Picture, NDArray[np.float64]]:
    """A textured ground: a base colour with clouds of three grain sizes, and often a grating."""
    base = rng.uniform(50, 205, 3)
    picture = np.empty((SIZE, SIZE, 3), dtype=np.float32)
    picture[:] = base
    for cells, strength in ((4, 26.0), (16, 14.0), (64, 10.0)):
        noise = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(noise, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        angle, period = rng.uniform(0, math.pi), rng.uniform(6, 30)
        wave = _waves((SIZE, SIZE), angle, period, rng.uniform(0, 2 * math.pi)) * rng.uniform(5, 16)
        picture += wave[..., None]
    return picture, base


def _waves(shape: tuple[int, int], angle: float, period: float, phase: float) -> Mask:
    """A sine grating, -1..1, (height, width)."""
    rate = 2 * math.pi / period
    xs = np.arange(shape[1], dtype=np.float32) * np.float32(rate * math.cos(angle)) + np.float32(phase)
    ys = np.arange(shape[0], dtype=np.float32) * np.float32(rate * math.sin(angle))
    # sin(x + y) as two outer products
    wave: Mask = np.outer(np.cos(ys), np.sin(xs)) + np.outer(np.sin(ys), np.cos(xs))
    return wave


def _contrasting(rng: np.random.Generator, ground: NDArray[np.float64], least: float = 55.0) -> NDArray[np.float64]:
    """A colour whose brightness differs from the ground's."""
    while True:
        colour = rng.uniform(15, 240, 3)
        if abs(colour.mean() - ground.mean()) > least:
            return colour


def _place(rng: np.random.Generator) -> list[Placed]:
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


def _window(picture: Picture, item: Placed, scale: float) -> tuple[Picture, Placed]:
    """The part of a picture around an object (a view), and the object in that part's coordinates."""
    box = item.box(scale)
    left, top = (max(math.floor(side) - 2, 0) for side in box[:2])
    right, bottom = (min(math.ceil(side) + 3, SIZE) for side in box[2:])
    return picture[top:bottom, left:right], replace(item, x=item.x - left, y=item.y - top)


def _blend(picture: Picture, mask: NDArray[np.uint8] | Mask, colour: NDArray[np.float64] | Picture) -> None:
    share = mask.astype(np.float32) / 255 if mask.dtype == np.uint8 else mask
    picture += share[..., None] * (np.asarray(colour, dtype=np.float32) - picture)


def _fixed(values: Points) -> NDArray[np.int32]:
    return np.round(values * (1 << _SHIFT)).astype(np.int32)


def _empty(picture: Picture) -> NDArray[np.uint8]:
    return np.zeros(picture.shape[:2], dtype=np.uint8)


def _disc(mask: NDArray[np.uint8], x: float, y: float, radius: float, value: int = 255) -> NDArray[np.uint8]:
    (cx, cy), (r, _) = _fixed(np.array([[x, y], [radius, 0.0]]))
    cv2.circle(mask, (int(cx), int(cy)), int(r), value, -1, cv2.LINE_AA, _SHIFT)
    return mask


def _polygon(mask: NDArray[np.uint8], corners: Points) -> NDArray[np.uint8]:
    cv2.fillPoly(mask, [_fixed(corners)], 255, cv2.LINE_AA, _SHIFT)
    return mask


def _outline(mask: NDArray[np.uint8], corners: Points, thickness: int) -> NDArray[np.uint8]:
    cv2.polylines(mask, [_fixed(corners)], True, 255, thickness, cv2.LINE_AA, _SHIFT)
    return mask


def _draw(whole: Picture, placed: Placed, colour: NDArray[np.float64], rng: np.random.Generator) -> None:
    name, side = NAMES[placed.kind], 2 * min(placed.half_width, placed.half_height)
    picture, item = _window(whole, placed, 1.6)
    if item.round:
        mask = _disc(_empty(picture), item.x, item.y, item.half_width)
    else:
        mask = _polygon(_empty(picture), item.corners())
    if name == "ring":
        mask = _disc(mask, item.x, item.y, item.half_width * rng.uniform(0.4, 0.6), 0)
    if name == "framed":
        frame = _outline(_empty(picture), item.corners(rng.uniform(1.35, 1.5)), 1 if side < 30 else 2)
        _blend(picture, frame, colour)
    # Shading on every object, so that a flat fill is no sign of a class.
    shape = (picture.shape[0], picture.shape[1])
    shade = 1 + 0.18 * _waves(shape, rng.uniform(0, math.pi), rng.uniform(60, 200), rng.uniform(0, 6))
    paint = np.asarray(colour, dtype=np.float32) * shade[..., None]
    detail = _contrasting(rng, colour, least=50.0)
    if name == "striped":
        period = max(side / rng.uniform(2.2, 4.0), 4.0)
        turned = item.angle + rng.choice([0.0, math.pi / 2])
        _blend(paint, np.clip(_waves(shape, turned, period, rng.uniform(0, 6)) * 3, 0, 1), detail)
    if name == "speckled":
        _blend(paint, _dots(_empty(picture), item, rng), detail)
    _blend(picture, mask, paint)


def _dots(mask: NDArray[np.uint8], item: Placed, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Dots on a turned grid over a disc."""
    step = max(item.half_width / rng.uniform(1.3, 2.2), 4.0)
    reach = math.ceil(item.half_width / step)
    cos, sin = math.cos(item.angle), math.sin(item.angle)
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach + 1):
            x, y = i * step, j * step
            if math.hypot(x, y) < item.half_width * 0.85:
                _disc(mask, item.x + x * cos - y * sin, item.y + x * sin + y * cos, step * 0.28)
    return mask


def _distractor(whole: Picture, rng: np.random.Generator) -> None:
    """Something unlabelled: a triangle, a frame without a box, or a few loose dots."""
    colour = rng.uniform(15, 240, 3)
    x, y = rng.uniform(0, SIZE, 2)
    side = math.exp(rng.uniform(math.log(8), math.log(40)))
    placed = Placed(3, float(x), float(y), side, side * rng.uniform(0.6, 1.0), rng.uniform(0, math.pi))
    picture, item = _window(whole, placed, 2.0)
    mask = _empty(picture)
    choice = rng.integers(0, 3)
    if choice == 0:
        _polygon(mask, item.corners()[:3])
    elif choice == 1:
        _outline(mask, item.corners(), 1)
    else:
        for dx, dy in rng.normal(0, side / 2, (5, 2)):
            _disc(mask, item.x + dx, item.y + dy, 2.0)
    _blend(picture, mask, colour)


def _bar(picture: Picture, rng: np.random.Generator) -> None:
    """A thin bar across the picture, which covers what lies under it."""
    angle, (x, y), reach = rng.uniform(0, math.pi), rng.uniform(0, SIZE, 2), SIZE * 2.0
    item = Placed(3, float(x), float(y), reach, rng.uniform(1.0, 3.5), angle)
    _blend(picture, _polygon(_empty(picture), item.corners()), rng.uniform(15, 240, 3))


def _develop(picture: Picture, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Uneven light, a little blur on some pictures, and sensor noise."""
    light = 1 + rng.uniform(0, 0.3) * _waves(
        (SIZE, SIZE), rng.uniform(0, math.pi), SIZE * 2.5, rng.uniform(0, 6)
    )
    picture = picture * light[..., None]
    if rng.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 0.9))
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(rng.uniform(2, 8))
    developed: NDArray[np.uint8] = np.clip(picture + noise, 0, 255).astype(np.uint8)
    return developed


def _labels(placed: list[Placed]) -> NDArray[np.float32]:
    rows = []
    for item in placed:
        left, top, right, bottom = (min(max(side, 0.0), SIZE) / SIZE for side in item.box())
        rows.append((item.kind, (left + right) / 2, (top + bottom) / 2, right - left, bottom - top))
    return np.array(rows, dtype=np.float32).reshape(-1, 5)
