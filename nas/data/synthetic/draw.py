"""Drawing with soft edges at fractions of a pixel, on float pictures; the brush of the embedded set."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]  # (height, width, 3), 0..255
Mask = NDArray[np.float32]  # (height, width), 0..1, or -1..1 for gratings
Stencil = NDArray[np.uint8]  # (height, width), 0..255
Points = NDArray[np.float64]  # (corners, 2): x, y

_SHIFT = 4  # cv2 draws at 1/16 pixel


def waves(shape: tuple[int, int], angle: float, period: float, phase: float) -> Mask:
    """A sine grating, -1..1, (height, width)."""
    rate = 2 * math.pi / period
    xs = np.arange(shape[1], dtype=np.float32) * np.float32(rate * math.cos(angle)) + np.float32(phase)
    ys = np.arange(shape[0], dtype=np.float32) * np.float32(rate * math.sin(angle))
    # sin(x + y) as two outer products
    wave: Mask = np.outer(np.cos(ys), np.sin(xs)) + np.outer(np.sin(ys), np.cos(xs))
    return wave


def blend(picture: Picture, mask: Stencil | Mask, colour: NDArray[np.float64] | Picture) -> None:
    """Paint a colour, or another picture, through a mask."""
    share = mask.astype(np.float32) / 255 if mask.dtype == np.uint8 else mask
    picture += share[..., None] * (np.asarray(colour, dtype=np.float32) - picture)


def _fixed(values: Points) -> NDArray[np.int32]:
    return np.round(values * (1 << _SHIFT)).astype(np.int32)


def empty(picture: Picture) -> Stencil:
    """A stencil of a picture's size with nothing on it."""
    return np.zeros(picture.shape[:2], dtype=np.uint8)


def disc(mask: Stencil, x: float, y: float, radius: float, value: int = 255) -> Stencil:
    """Draw a disc on a stencil; the value 0 cuts it out."""
    (cx, cy), (r, _) = _fixed(np.array([[x, y], [radius, 0.0]]))
    cv2.circle(mask, (int(cx), int(cy)), int(r), value, -1, cv2.LINE_AA, _SHIFT)
    return mask


def polygon(mask: Stencil, corners: Points) -> Stencil:
    """Draw a filled polygon on a stencil."""
    cv2.fillPoly(mask, [_fixed(corners)], 255, cv2.LINE_AA, _SHIFT)
    return mask


def outline(mask: Stencil, corners: Points, thickness: int) -> Stencil:
    """Draw a polygon's outline on a stencil."""
    cv2.polylines(mask, [_fixed(corners)], True, 255, thickness, cv2.LINE_AA, _SHIFT)
    return mask
