"""Draws the embedded set's pictures: small scenes with six classes of objects, from random numbers alone.

Every class is the double of another but for one trait, and colour, size, rotation and place say nothing:

    disc          a plain disc
    ring          a disc with a hole (shape)
    speckled      a disc with small dots (fine texture)
    box           a plain rectangle
    striped       a rectangle with stripes (fine texture)
    framed        a plain rectangle inside a thin frame; its label is the rectangle (context)

The ground is textured, illumination falls off, bars and other objects cover parts, and unlabelled triangles,
loose frames and dots lie about. A drawing is the same for the same random generator.
"""

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from nas.data.synthetic.draw import Picture, Stencil, blend, disc, empty, outline, polygon, waves
from nas.data.synthetic.layout import NAMES, SIZE, Placed, labels_of, place


def scene(rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw one picture with its labels.

    Args:
        rng: The only source of chance.

    Returns:
        The picture, (SIZE, SIZE, 3) BGR, and its labels, (objects, 5) as in Ultralytics' label files.
    """
    picture, ground = _ground(rng)
    for _ in range(int(rng.integers(0, 4))):
        _distractor(picture, rng)
    placed = place(rng)
    for item in placed:
        _draw(picture, item, _contrasting(rng, ground), rng)
    for _ in range(int(rng.integers(0, 2))):
        _bar(picture, rng)
    return _develop(picture, rng), labels_of(placed)


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
        wave = waves((SIZE, SIZE), angle, period, rng.uniform(0, 2 * math.pi)) * rng.uniform(5, 16)
        picture += wave[..., None]
    return picture, base


def _contrasting(rng: np.random.Generator, ground: NDArray[np.float64], least: float = 75.0) -> NDArray[np.float64]:
    """A colour whose brightness differs from the ground's."""
    while True:
        colour = rng.uniform(15, 240, 3)
        if abs(colour.mean() - ground.mean()) > least:
            return colour


def _window(picture: Picture, item: Placed, scale: float) -> tuple[Picture, Placed]:
    """The part of a picture around an object (a view), and the object in that part's coordinates."""
    box = item.box(scale)
    left, top = (max(math.floor(side) - 2, 0) for side in box[:2])
    right, bottom = (min(math.ceil(side) + 3, SIZE) for side in box[2:])
    return picture[top:bottom, left:right], replace(item, x=item.x - left, y=item.y - top)


def _draw(whole: Picture, placed: Placed, colour: NDArray[np.float64], rng: np.random.Generator) -> None:
    name, side = NAMES[placed.kind], 2 * min(placed.half_width, placed.half_height)
    picture, item = _window(whole, placed, 1.6)
    if item.round:
        mask = disc(empty(picture), item.x, item.y, item.half_width)
    else:
        mask = polygon(empty(picture), item.corners())
    if name == "ring":
        mask = disc(mask, item.x, item.y, item.half_width * rng.uniform(0.4, 0.6), 0)
    if name == "framed":
        frame = outline(empty(picture), item.corners(rng.uniform(1.35, 1.5)), 1 if side < 30 else 2)
        blend(picture, frame, colour)
    # Shading on every object, so that a flat fill is no sign of a class.
    shape = (picture.shape[0], picture.shape[1])
    shade = 1 + 0.18 * waves(shape, rng.uniform(0, math.pi), rng.uniform(60, 200), rng.uniform(0, 6))
    paint = np.asarray(colour, dtype=np.float32) * shade[..., None]
    detail = _contrasting(rng, colour, least=80.0)
    if name == "striped":
        period = max(side / rng.uniform(1.8, 3.0), 8.0)
        turned = item.angle + rng.choice([0.0, math.pi / 2])
        blend(paint, np.clip(waves(shape, turned, period, rng.uniform(0, 6)) * 3, 0, 1), detail)
    if name == "speckled":
        blend(paint, _dots(empty(picture), item, rng), detail)
    blend(picture, mask, paint)


def _dots(mask: Stencil, item: Placed, rng: np.random.Generator) -> Stencil:
    """Dots on a turned grid over a disc."""
    step = max(item.half_width / rng.uniform(1.1, 1.7), 8.0)
    reach = math.ceil(item.half_width / step)
    cos, sin = math.cos(item.angle), math.sin(item.angle)
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach + 1):
            x, y = i * step, j * step
            if math.hypot(x, y) < item.half_width * 0.85:
                disc(mask, item.x + x * cos - y * sin, item.y + x * sin + y * cos, step * 0.33)
    return mask


def _distractor(whole: Picture, rng: np.random.Generator) -> None:
    """Something unlabelled: a triangle, a frame without a box, or a few loose dots."""
    colour = rng.uniform(15, 240, 3)
    x, y = rng.uniform(0, SIZE, 2)
    side = math.exp(rng.uniform(math.log(8), math.log(40)))
    placed = Placed(3, float(x), float(y), side, side * rng.uniform(0.6, 1.0), rng.uniform(0, math.pi))
    picture, item = _window(whole, placed, 2.0)
    mask = empty(picture)
    choice = rng.integers(0, 3)
    if choice == 0:
        polygon(mask, item.corners()[:3])
    elif choice == 1:
        outline(mask, item.corners(), 1)
    else:
        for dx, dy in rng.normal(0, side / 2, (5, 2)):
            disc(mask, item.x + dx, item.y + dy, 2.0)
    blend(picture, mask, colour)


def _bar(picture: Picture, rng: np.random.Generator) -> None:
    """A thin bar across the picture, which covers what lies under it."""
    angle, (x, y), reach = rng.uniform(0, math.pi), rng.uniform(0, SIZE, 2), SIZE * 2.0
    item = Placed(3, float(x), float(y), reach, rng.uniform(1.0, 3.5), angle)
    blend(picture, polygon(empty(picture), item.corners()), rng.uniform(15, 240, 3))


def _develop(picture: Picture, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Uneven light, a little blur on some pictures, and sensor noise."""
    light = 1 + rng.uniform(0, 0.3) * waves((SIZE, SIZE), rng.uniform(0, math.pi), SIZE * 2.5, rng.uniform(0, 6))
    picture = picture * light[..., None]
    if rng.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 0.9))
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(rng.uniform(2, 8))
    developed: NDArray[np.uint8] = np.clip(picture + noise, 0, 255).astype(np.uint8)
    return developed
