"""The data digest changes when pixels, labels, names or splits change, and only then; a picture is read once."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from nas.data import check_cache, load, split_contents
from nas.data.check_cache import recall, remember, stamp
from nas.data.loader import load_cached
from nas.data.picture import Picture, examine

from .conftest import MakeSet

IMAGES, LABELS = Path("images", "train"), Path("labels", "train")
JPEG = "photo.jpg"


def jpeg(orientation: int = 1, comment: bytes = b"") -> bytes:
    """A picture with an up and a left."""
    exif = Image.Exif()
    exif[274] = orientation
    ramp = np.linspace(0, 250, 48 * 64 * 3).reshape(48, 64, 3).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(ramp).save(file, "JPEG", exif=exif, comment=comment)
    return file.getvalue()


def one_pixel(root: Path) -> None:
    file = root / IMAGES / "003.png"
    picture = cv2.imread(str(file))
    picture[10, 10] += 1
    cv2.imwrite(str(file), picture, [cv2.IMWRITE_PNG_COMPRESSION, 0])


def saved_anew(root: Path) -> None:
    file = root / IMAGES / "003.png"
    cv2.imwrite(str(file), cv2.imread(str(file)), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def renamed(root: Path) -> None:
    (root / IMAGES / "003.png").rename(root / IMAGES / "zz.png")
    (root / LABELS / "003.txt").rename(root / LABELS / "zz.txt")


def moved_to_val(root: Path) -> None:
    for kind, suffix in (("images", ".png"), ("labels", ".txt")):
        (root / kind / "train" / f"003{suffix}").rename(root / kind / "val" / f"900{suffix}")


def listed(root: Path) -> None:
    names = sorted((root / IMAGES).iterdir(), reverse=True)
    (root / "train.txt").write_text("\n".join(map(str, names)))
    data = root / "data.yaml"
    data.write_text(data.read_text().replace("images/train", "train.txt"))


def written(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new))

    return change


CHANGES = {
    "one pixel": one_pixel,
    "an orientation flag": lambda root: (root / IMAGES / JPEG).write_bytes(jpeg(orientation=6)),
    "a box": written("labels/train/003.txt", "0.25", "0.26"),
    "a class": written("labels/val/003.txt", "0 0.5", "1 0.5"),
    "a class name": written("data.yaml", "kind1", "other"),
    "a picture less": lambda root: (root / IMAGES / "003.png").unlink(),
    "a picture twice": lambda root: shutil.copy(root / IMAGES / "003.png", root / IMAGES / "copy.png"),
    "a picture of train in val": moved_to_val,
    "a label file less": lambda root: (root / LABELS / "003.txt").unlink(),
}
SAME = {
    "nothing": lambda root: None,
    "a later date": lambda root: (root / IMAGES / "003.png").touch(),
    "other rights": lambda root: (root / IMAGES / "003.png").chmod(0o600),
    "another compression": saved_anew,
    "another comment": lambda root: (root / IMAGES / JPEG).write_bytes(jpeg(comment=b"taken at noon")),
    "bytes after the end": lambda root: (root / IMAGES / JPEG).write_bytes(jpeg() + b"\0SEFT"),
    "other file names": renamed,
    "a list in place of a folder": listed,
    "other digits": written("labels/train/003.txt", "0.25", "2.50e-1"),
    "a row twice": written("labels/train/003.txt", "\n", "\n0 0.5 0.5 0.25 0.5\n"),
    "an empty box": written("labels/train/003.txt", "\n", "\n0 0.5 0.5 0 0.5\n"),
    "a file beside": lambda root: (root / IMAGES / "notes.txt").write_text("seen"),
    "a comment in the YAML": written("data.yaml", "train:", "# mine\ntrain:"),
}


@pytest.mark.parametrize(("change", "differs"), [*((c, True) for c in CHANGES), *((c, False) for c in SAME)])
def test_the_digest_follows_what_is_read_and_nothing_else(
    change: str, differs: bool, make_set: MakeSet, tmp_path: Path
) -> None:
    data = make_set()
    (tmp_path / IMAGES / JPEG).write_bytes(jpeg())
    before = load(str(data))
    elsewhere = tmp_path.with_name(f"{tmp_path.name}-copy")
    shutil.copytree(tmp_path, elsewhere)
    {**CHANGES, **SAME}[change](elsewhere)
    after = load(str(elsewhere / "data.yaml"))
    assert (after.digest != before.digest) is differs
    if not differs:  # then the same pictures are kept apart
        assert [one.tobytes() for one in after.select.labels] == [one.tobytes() for one in before.select.labels]
        assert [examine(one).pixels for one in after.select.images] == [
            examine(one).pixels for one in before.select.images
        ]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], int]:
    """Loads a set as a new process would; how many pictures it decoded."""
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(check_cache, "SETTLED_S", -1.0)
    seen: list[Path] = []

    def count(path: Path) -> Picture:
        seen.append(path)
        return examine(path)

    monkeypatch.setattr(split_contents, "examine", count)

    def run(data: Path) -> int:
        load_cached.cache_clear()
        seen.clear()
        load(str(data))
        return len(seen)

    return run


def test_a_picture_is_read_once_until_it_changes(
    make_set: MakeSet, tmp_path: Path, reads: Callable[[Path], int]
) -> None:
    data = make_set()
    assert (reads(data), reads(data)) == (28, 0)
    one_pixel(tmp_path)
    assert (reads(data), reads(data)) == (1, 0)
    written("labels/train/004.txt", "0.25", "0.3")(tmp_path)
    written("data.yaml", "kind1", "other")(tmp_path)
    assert reads(data) == 0
    (tmp_path / "cache" / "data" / "pictures.db").write_bytes(
        b"no database at all, but long enough to be looked at" * 9
    )
    assert (reads(data), reads(data)) == (28, 0)


def test_a_file_that_may_still_change_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path))
    file = tmp_path / "a.png"
    cv2.imwrite(str(file), np.zeros((48, 64, 3), dtype=np.uint8))
    remember({file: (stamp(file), examine(file))})
    assert recall([file]) == {}
    monkeypatch.setattr(check_cache, "SETTLED_S", -1.0)
    remember({file: (stamp(file), examine(file))})
    assert recall([file]) == {file: examine(file)}
