"""Boxes that are too small for an input size are counted, and the size that would see them is named."""

import numpy as np
import pytest

from nas.data.box_sizes import relative_sides, share_of_small, small_boxes
from nas.data.findings import Findings

SIDES = (0.02, 0.05, 0.05, 0.2)  # of the picture's longer side


def test_a_side_is_the_root_of_the_area_beside_the_longer_side() -> None:
    wide = np.array([[0, 0.5, 0.5, 0.1, 0.4], [1, 0.5, 0.5, 1.0, 1.0]], np.float32)  # 64x128 px, and all of 640x320
    assert relative_sides([wide, np.zeros((0, 5), np.float32)], [(320, 640), (10, 10)]) == pytest.approx(
        ((64 * 128) ** 0.5 / 640, (640 * 320) ** 0.5 / 640)
    )


@pytest.mark.parametrize(("imgsz", "share"), [(32, 1.0), (96, 0.75), (160, 0.25), (384, 0.25), (416, 0.0)])
def test_a_box_is_small_below_8_px(imgsz: int, share: float) -> None:
    assert share_of_small(SIDES, imgsz) == share


@pytest.mark.parametrize(
    ("sides", "sizes", "said"),
    [
        (SIDES, (160, 96), "75% at 96 px, 25% at 160 px; under 5% from 416 px on (--imgsz)"),
        (SIDES, (416,), None),
        ((), (96,), None),
        ((0.001,), (96,), "100% at 96 px; 5% or more up to 1280 px (--imgsz)"),
        ((0.02, *[0.5] * 20), (96,), None),  # one of 21 is under 5%
    ],
)
def test_the_sentence(sides: tuple[float, ...], sizes: tuple[int, ...], said: str | None) -> None:
    found = small_boxes(sides, sizes)
    assert found is None if said is None else found is not None and found.endswith(f"are hardly found: {said}")
    assert Findings(sides=sides).sentences(sizes) == ([] if found is None else [found])
