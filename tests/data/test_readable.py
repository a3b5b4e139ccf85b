"""A picture that cannot be read is found before anything is measured or trained."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from nas.data import load
from nas.errors import DataError

from .conftest import MakeSet

REFUSED = "(: it is damaged|, which Ultralytics leaves out)"


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize("size", [0, 60])
def test_a_damaged_picture_of_either_part_is_named(part: str, size: int, make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set()
    picture = tmp_path / "images" / part / "005.png"
    picture.write_bytes(picture.read_bytes()[:size])
    with pytest.raises(DataError, match=rf"the picture .*{part}/005.png{REFUSED}"):
        load(str(data))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "bmp", "jp2", "tiff"])
def test_a_picture_that_ends_early_is_named(suffix: str, make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set()
    picture = tmp_path / "images" / "val" / f"005.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    whole = cv2.imencode(picture.suffix, noise)[1].tobytes()
    picture.write_bytes(whole)
    load(str(data))
    picture.write_bytes(whole[: len(whole) * 9 // 10])
    data.touch()
    with pytest.raises(DataError, match=rf"the picture .*val/005.{suffix}{REFUSED}"):
        load(str(data))


def test_what_follows_a_jpegs_end_does_not_matter(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set()
    picture = cv2.imencode(".jpg", np.zeros((48, 64, 3), dtype=np.uint8))[1].tobytes()
    (tmp_path / "images" / "val" / "005.jpg").write_bytes(picture + b"\0\0")
    load(str(data))


def test_what_only_opencv_reads_is_refused_since_ultralytics_leaves_it_out(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set()
    picture = cv2.imencode(".hdr", np.zeros((48, 64, 3), dtype=np.float32))[1].tobytes()
    (tmp_path / "images" / "val" / "005.png").write_bytes(picture)
    with pytest.raises(DataError, match=r"005\.png"):
        load(str(data))
