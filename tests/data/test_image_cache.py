"""The letterbox is Ultralytics', the boxes move with it, and memory is limited."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from nas.data import load
from nas.data.image_cache import batches, check_memory, letterbox, pixels
from nas.data.picture import read_picture
from nas.data.sample import sample_pictures
from nas.errors import DataError
from tests.data.conftest import MakeSet


@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (37, 101), (101, 37), (96, 96), (50, 33)])
def test_letterbox_equals_ultralytics(shape: tuple[int, int], tmp_path: Path) -> None:
    from ultralytics.data.augment import LetterBox
    from ultralytics.data.base import BaseDataset

    picture = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "one.png"), picture)
    loader = object.__new__(BaseDataset)
    loader.ims, loader.im_files, loader.npy_files = [None], [tmp_path / "one.png"], [tmp_path / "one.npy"]
    loader.imgsz, loader.augment, loader.channels, loader.cv2_flag = 96, False, 3, cv2.IMREAD_COLOR
    loader.cache, loader.prefix = None, ""
    resized = loader.load_image(0)[0]
    theirs = LetterBox((96, 96), scaleup=False)(image=resized)
    ours, *_ = letterbox(picture, 96)
    assert np.array_equal(ours, theirs)


def test_boxes_follow_the_letterbox(bccd: Path) -> None:
    data = load(str(bccd))
    made = pixels(data.select, 128)
    assert made.images.shape == (41, 3, 128, 128)
    assert made.counts.tolist() == [len(labels) for labels in data.select.labels]
    kind, x, y, wide, high = data.select.labels[0][0]  # 640x480: scale 0.2, 16 grey rows above
    expected = [kind, x, (y * 96 + 16) / 128, wide, high * 96 / 128]
    assert made.boxes[0, 0].tolist() == pytest.approx(expected, abs=1e-5)
    assert pixels(data.select, 128) is made


def test_too_large_for_memory_says_what_fits(make_set: MakeSet) -> None:
    data = load(str(make_set()))
    for refused in (pixels, check_memory):
        with pytest.raises(DataError, match=r"10 pictures of `train` at 160 px.*try a --fraction 0\.52 times"):
            refused(data.train, 160, limit_bytes=400_000)
    check_memory(data.train, 160, limit_bytes=800_000)
    with pytest.raises(DataError, match="try a smaller --imgsz"):
        pixels(data.select, 160, limit_bytes=100_000)


@pytest.mark.parametrize("limit_bytes", [0, 10**6])
def test_batches_are_the_pictures_in_order_whether_all_fit_or_not(make_set: MakeSet, limit_bytes: int) -> None:
    val = load(str(make_set())).val
    unseen = replace(val, key=f"unseen/{limit_bytes}")
    parts = list(batches(unseen, 96, 3, limit_bytes=limit_bytes))
    assert [len(part) for part in parts] == [3, 3, 2]
    whole = pixels(val, 96)
    for name in ("images", "counts", "shapes", "placing"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name))


def test_a_sample_reads_no_more_pictures_than_it_shows(make_set: MakeSet, monkeypatch: pytest.MonkeyPatch) -> None:
    data, read = make_set(), []
    load(str(data))
    monkeypatch.setattr("nas.data.image_cache.read_picture", lambda path: read.append(path) or read_picture(path))
    sample = sample_pictures(str(data), 96, 3, "val")
    assert len(read) == 3
    assert np.array_equal(sample, pixels(load(str(data)).val.part(0, 3), 96).images.numpy() / np.float32(255))


def test_a_damaged_picture_is_named(make_set: MakeSet, tmp_path: Path) -> None:
    data = load(str(make_set()))
    data.select.images[0].write_bytes(b"not a picture")
    with pytest.raises(DataError, match=rf"cannot read the picture .*{data.select.images[0].name}: it is damaged"):
        pixels(data.select, 64)
