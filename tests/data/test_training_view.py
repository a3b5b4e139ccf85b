"""What Ultralytics trains on: every picture and box that a search reads, and no file of the user's is touched."""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from nas.data import load
from nas.data.dataset import Split
from nas.data.picture import read_picture
from nas.data.training_view import write_view
from nas.errors import DataError
from tests.data.conftest import MakeSet

Read = list[tuple[NDArray[np.uint8], NDArray[np.float32]]]


def theirs(data: Path, part: str) -> Read:
    """Pixels and rows of a split as Ultralytics reads them."""
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    found = check_det_dataset(str(data), autodownload=False)
    read = YOLODataset(found[part], data=found, imgsz=64, augment=False)
    rows = [np.concatenate([label["cls"], label["bboxes"]], 1) for label in read.labels]
    return [(read.load_image(index)[0], one) for index, one in enumerate(rows)]


def same(split: Split, read: Read) -> bool:
    """Whether they read what a search reads, in the same order."""
    pictures = zip(split.images, split.labels, read, strict=True)
    return all(
        np.array_equal(read_picture(path), pixels) and np.array_equal(rows, boxes)
        for path, rows, (pixels, boxes) in pictures
    )


def state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file with its inode, change time and bytes."""
    return {
        str(path): (path.stat().st_ino, path.stat().st_ctime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def odd(make_set: MakeSet, tmp_path: Path) -> Path:
    """A set of what people have: key points, empty boxes, rows twice, odd names, phones' JPEGs, arrays beside them."""
    data = make_set(kpt_shape="[1, 3]", train="[images/train, images/train/000.png]", names="{0: a, 1: 'é # %', 2: c}")
    images, labels = tmp_path / "images" / "train", tmp_path / "labels" / "train"
    data.write_text(data.read_text().replace("images/train/000.png", "again.txt"))
    (tmp_path / "again.txt").write_text("./images/train/001.png\n")
    jpeg = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8))[1].tobytes()
    (images / "phone.jpg").write_bytes(jpeg + b"\0\0SEFT")
    (labels / "phone.txt").write_text("1 0.123456789 0.5 0.25 0.5 0.1 0.1 2\n")
    (labels / "002.txt").write_text("0 0.5 0.5 0 0.1 0.5 0.5 2\n1 0.5 0.5 0.1 0.1\n1 0.5 0.5 0.1 0.1\n")
    (labels / "003.txt").unlink()
    np.save(images / "004.npy", np.zeros((48, 64, 3), dtype=np.uint8))
    for number, name in enumerate(
        (" lead.png", "in [1] #2 %20 {x} *.png", "größe ☃.png", "two\nlines.png", b"\xff.png")
    ):
        source = images / f"{number + 5:03d}.png"
        target = os.path.join(os.fsencode(images), os.fsencode(name))
        os.rename(source, target)
        stem = os.path.splitext(os.fsencode(name))[0]
        os.rename(labels / f"{number + 5:03d}.txt", os.path.join(os.fsencode(labels), stem + b".txt"))
    return data


def test_it_is_what_a_search_reads_and_the_users_files_stay(odd: Path, tmp_path: Path) -> None:
    before = state(tmp_path)
    data = load(str(odd))
    assert len(data.whole) == 22 and len(data.val) == 8
    home = tmp_path / "project % # {x} ü"
    view = write_view(data, home)
    assert same(data.whole, theirs(view, "train"))
    assert same(data.val, theirs(view, "val"))
    assert load(str(view)).digest == data.digest
    assert load(str(view)).names == ("a", "é # %", "c")
    shutil.rmtree(home)
    assert state(tmp_path) == before
    (train, val) = data.findings.parts
    assert (train.posed, train.empty, train.repeated, train.unlabelled) == (2, 1, 1, 1)
    assert (train.trailing, train.copies, val.unlabelled) == (1, 1, 0)


def test_it_is_written_once_and_follows_the_files(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set()
    first = write_view(load(str(data)), tmp_path / "home")
    made = first.stat().st_mtime_ns
    assert write_view(load(str(data)), tmp_path / "home") == first
    assert first.stat().st_mtime_ns == made
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("images", "labels", "data.yaml"):
        (tmp_path / name).rename(moved / name)
    assert same(
        load(str(moved / "data.yaml")).val, theirs(write_view(load(str(moved / "data.yaml")), tmp_path / "home"), "val")
    )


def test_a_file_system_without_links_gets_copies(
    make_set: MakeSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    data = load(str(make_set()))
    assert same(data.whole, theirs(write_view(data, tmp_path / "home"), "train"))


def test_fewer_kept_pictures_end_a_training(make_set: MakeSet) -> None:
    from types import SimpleNamespace

    from nas.train.callbacks import check_kept

    def trainer(train: int, val: int, fraction: object = 1.0) -> SimpleNamespace:
        loaders = {f"{name}_loader": SimpleNamespace(dataset=range(n)) for name, n in (("train", train), ("test", val))}
        return SimpleNamespace(args=SimpleNamespace(fraction=fraction, data="d.yaml"), **loaders)

    check_kept(20, 8, trainer(20, 8))
    check_kept(20, 8, trainer(5, 8, 0.25))
    check_kept(20, 8, trainer(3, 4, [3, 0.5]))
    with pytest.raises(DataError, match="keeps 7 of the 8 pictures of val"):
        check_kept(20, 8, trainer(20, 7))
    with pytest.raises(DataError, match="keeps 19 of the 20 pictures of train"):
        check_kept(20, 8, trainer(19, 8))


def test_contents_that_change_their_names_are_linked_anew(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set()
    first = load(str(data))
    write_view(first, tmp_path / "home")
    for folder, suffix in (("images", ".png"), ("labels", ".txt")):
        one, two = (tmp_path / folder / "train" / f"00{number}{suffix}" for number in (0, 1))
        one.rename(tmp_path / "aside")
        two.rename(one)
        (tmp_path / "aside").rename(two)
    again = load(str(data))
    assert again.digest == first.digest
    assert same(again.whole, theirs(write_view(again, tmp_path / "home"), "train"))


def test_bytes_that_follow_later_are_cut_off(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set()
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    photo = tmp_path / "images" / "train" / "photo.jpg"
    photo.write_bytes(cv2.imencode(".jpg", noise)[1].tobytes())
    view = write_view(load(str(data)), tmp_path / "home")
    photo.write_bytes(photo.read_bytes() + b"SEFT")
    whole = load(str(data)).whole
    assert write_view(load(str(view)), tmp_path / "home") == view  # as a training that goes on does
    assert same(whole, theirs(view, "train"))
    assert write_view(load(str(data)), tmp_path / "home") == view
    assert same(whole, theirs(view, "train"))


def test_a_view_of_a_view_is_itself(make_set: MakeSet, tmp_path: Path) -> None:
    view = write_view(load(str(make_set())), tmp_path / "home")
    before = state(view.parent)
    assert write_view(load(str(view)), tmp_path / "home") == view
    assert state(view.parent) == before


def test_two_polygons_in_one_box_stay_two(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set()
    polygons = "0 0.1 0.1 0.4 0.1 0.4 0.6\n0 0.1 0.1 0.4 0.6 0.1 0.6\n"
    (tmp_path / "labels" / "train" / "000.txt").write_text(polygons)
    whole = load(str(data)).whole
    rows = theirs(write_view(load(str(data)), tmp_path / "home"), "train")[0][1]
    assert len(whole.labels[0]) == len(rows) == 2
    assert np.allclose(rows, whole.labels[0], atol=1e-6)


def test_a_listed_file_without_a_stem_is_a_picture(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set(train="[images/train, more.txt]")
    (tmp_path / "images" / "train" / "000.png").rename(tmp_path / "images" / "train" / ".png")
    (tmp_path / "more.txt").write_text("./images/train/.png\n")
    whole = load(str(data)).whole
    assert len(whole) == 20
    assert same(whole, theirs(write_view(load(str(data)), tmp_path / "home"), "train"))
