"""A picture that cannot be read is found before anything is measured or trained."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from nas.data import load
from nas.data.readable import check_pictures
from nas.errors import DataError

from .conftest import MakeSet


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize("size", [0, 60])
def test_a_damaged_picture_of_either_part_is_named(part: str, size: int, make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set()
    picture = tmp_path / "images" / part / "005.png"
    picture.write_bytes(picture.read_bytes()[:size])
    with pytest.raises(DataError, match=rf"cannot read the picture .*{part}/005.png: it is damaged"):
        check_pictures(load(str(data)))


def test_what_only_opencv_reads_is_good(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set()
    (tmp_path / "images" / "val" / "005.png").unlink()
    cv2.imwrite(str(tmp_path / "images" / "val" / "005.pfm"), np.zeros((48, 64, 3), dtype=np.float32))
    check_pictures(load(str(data)))
