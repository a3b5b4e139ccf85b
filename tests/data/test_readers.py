"""Pixels and boxes are those of Ultralytics' own reader, for whatever ghostnas accepts."""

import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nas.data.data_yaml import KeyPoints
from nas.data.labels import read_labels
from nas.data.picture import examine, quiet, read_picture
from nas.errors import DataError

from . import pictures

NAMES = {0: "a", 1: "b", 2: "c"}
BOX = "1 0.5 0.5 0.25 0.5"
POLYGON = "0 0.1 0.1 0.4 0.1 0.4 0.6 0.1 0.6"


def theirs(folder: Path, **keys: object) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Pixels and rows of each picture that Ultralytics keeps; it may write in the folder."""
    from ultralytics.data.dataset import YOLODataset

    with quiet():
        read = YOLODataset(str(folder), data={"names": NAMES, **keys}, imgsz=pictures.WIDTH, augment=False)
        kept = {}
        for index, (name, label) in enumerate(zip(read.im_files, read.labels, strict=True)):
            with suppress(FileNotFoundError):  # it passed their check, and their training would break off at it
                pixels = read.load_image(index)[0]
                kept[Path(name).name] = pixels, np.concatenate([label["cls"], label["bboxes"]], 1)
        return kept


def test_every_picture_has_their_pixels_or_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "train"
    folder.mkdir(parents=True)
    files = pictures.written(folder)
    accepted, refused = {}, {}
    for file in files:
        before = file.read_bytes()
        try:
            accepted[file.name] = examine(file), read_picture(file)
        except DataError as error:
            refused[file.name] = str(error)
            assert str(file) in str(error) and "\n" not in str(error)
        assert file.read_bytes() == before
    assert len(files) > 200 and len(accepted) > 100
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train" / f"{files[0].stem}.txt").write_text(BOX)
    kept = theirs(folder)
    assert not accepted.keys() - kept.keys()
    for name, (picture, pixels) in accepted.items():
        assert (picture.height, picture.width) == pixels.shape[:2]
        if not picture.trailing:  # they have encoded it anew
            assert np.array_equal(pixels, kept[name][0]), name
    turned = [name for name, (picture, _) in accepted.items() if picture.height == pictures.WIDTH]
    assert len(turned) >= 4 * 4  # formats whose orientation is applied, four orientations each
    # What they keep and ghostnas refuses is what they read as something else than 8-bit colour, or turn half.
    why = {name: refused[name] for name in kept.keys() - accepted.keys()}
    assert all("8-bit colour" in one or "the file says" in one for one in why.values()), why
    assert not [one for one in refused.values() if "heif" in one]


def test_jpegs_with_trailing_bytes_are_told_and_left_alone(tmp_path: Path) -> None:
    whole = tmp_path / "whole.jpg"
    whole.write_bytes(pictures.by_pillow("JPEG", "RGB") or b"")
    trailing = tmp_path / "trailing.jpg"
    trailing.write_bytes(whole.read_bytes() + b"\0SEFT")
    assert (examine(whole).trailing, examine(trailing).trailing) == (False, True)
    assert examine(whole).pixels == examine(trailing).pixels


DIALECTS = {
    "box": BOX,
    "boxes": f"{BOX}\n0 0.2 0.2 0.1 0.1\n",
    "blank lines": f"\n\n{BOX}\n   \n\n",
    "byte-order mark and CRLF": f"\ufeff{BOX}\r\n0 0.2 0.2 0.1 0.1\r\n",
    "carriage returns": f"{BOX}\r0 0.2 0.2 0.1 0.1\r",
    "tabs": BOX.replace(" ", "\t"),
    "many spaces": BOX.replace(" ", "    "),
    "class as a float": "1.0 0.5 0.5 0.25 0.5",
    "exponents": "1 5e-1 5E-1 2.5e-1 0.5",
    "plus signs": "+1 +0.5 0.5 0.25 0.5",
    "twice": f"{BOX}\n{BOX}\n0 0.2 0.2 0.1 0.1\n{BOX}",
    "a hundredth outside": "0 1.005 0.5 0.2 0.2",
    "a little below zero": "0 -0.005 0.5 0.2 0.2",
    "reaches over the edge": "0 0.98 0.5 0.2 0.2",
    "polygon": POLYGON,
    "polygons": f"{POLYGON}\n2 0.5 0.5 0.9 0.9 0.5 0.9\n",
    "the same polygon twice": f"{POLYGON}\n{POLYGON}",
    "two polygons of one box": "0 0.1 0.1 0.4 0.1 0.4 0.6\n0 0.1 0.1 0.4 0.6 0.1 0.6",
    "oriented boxes": "0 0.3 0.1 0.5 0.3 0.3 0.5 0.1 0.3",
    "empty file": "",
    "white space alone": "  \n\t\n",
    "empty box": f"{BOX}\n0 0.5 0.5 0 0.1\n0 0.5 0.5 0 0",
    "flat polygon": "0 0.1 0.1 0.1 0.5 0.1 0.3",
    "form feed": f"{BOX}\x0c0 0.2 0.2 0.1 0.1",
    "line separator": f"{BOX}\u20280 0.2 0.2 0.1 0.1",
    "negative zero": "0 -0.0 0.5 0.2 0.2",
    "leading zeros": "001 0.5 00.5 0.25 0.5",
    "a tiny box": "0 0.5 0.5 1e-6 1e-6",
    "carriage returns before CRLF": f"{BOX}\r\r\n0 0.2 0.2 0.1 0.1\r\r\n",
    "no-break spaces": BOX.replace(" ", "\xa0"),
    "full-width digits": BOX.replace("1", "\uff11"),
    "two corners": "0 0.1 0.1 0.4 0.6",
    "many digits": f"0 0.{'5' * 400} 0.30000000000000004 0.33333333333333331 0.2",
    "a width that is zero in float32": f"{BOX}\n0 0.5 0.5 1e-400 0.2",
    "closed polygon": "0 0.1 0.1 0.4 0.1 0.4 0.6 0.1 0.1",
    # What Ultralytics leaves out
    "mixed": f"{BOX}\n{POLYGON}",
    "confidence": f"{BOX} 0.9",
    "class too large": "3 0.5 0.5 0.2 0.2",
    "negative class": "-1 0.5 0.5 0.2 0.2",
    "half a class": "0.5 0.5 0.5 0.2 0.2",
    "pixels": "0 32 24 16 24",
    "not a number": "0 nan 0.5 0.2 0.2",
    "infinite": "0 inf 0.5 0.2 0.2",
    "negative width": "0 0.5 0.5 -0.005 0.2",
    "words": "cat 0.5 0.5 0.2 0.2",
    "commas": BOX.replace(" ", ","),
    "decimal commas": BOX.replace(".", ","),
    "underscores": "1_0 0.5 0.5 0.2 0.2",
    "four numbers": "0 0.5 0.5 0.2",
    "one number": "0",
    "an odd polygon": "0 0.1 0.1 0.4 0.1 0.4 0.6 0.1",
    "a comment": f"# objects\n{BOX}",
    "hexadecimal": "0x1 0.5 0.5 0.2 0.2",
    "other digits": "\u0661 0.5 0.5 0.2 0.2",
    "zeros after the end": f"{BOX}\n\0\0\0\0",
    "a zero byte": f"{BOX}\0",
    "two byte-order marks": f"\ufeff\ufeff{BOX}",
    "a zero-width space": f"{BOX}\u200b",
    "semicolons": BOX.replace(" ", ";"),
    "percent": "0 50% 50% 20% 20%",
    "Fortran's exponents": "0 5d-1 0.5 0.2 0.2",
    "a comment after a row": f"{BOX} # a cell",
    "a polygon with a hole in its numbers": "0 0.1 nan 0.4 0.1 0.4 0.6",
    "points": "1 0.5 0.5 0.25 0.5 0.4 0.4 2",
}
POSE = {
    "pose": (KeyPoints(2, 3), f"{BOX} 0.4 0.4 2 0.6 0.6 1"),
    "pose of two numbers a point": (KeyPoints(3, 2), f"{BOX} 0.4 0.4 0.5 0.5 0.6 0.6"),
    "pose of one point": (KeyPoints(1, 3), f"{BOX} 0.4 0.4 2"),
    "pose and boxes": (KeyPoints(1, 3), f"{BOX} 0.4 0.4 2\n0 0.2 0.2 0.1 0.1"),
    "points outside": (KeyPoints(1, 2), f"{BOX} 7 -3"),
    "boxes of a pose set": (KeyPoints(17, 3), BOX),
    "the same box with other points": (KeyPoints(1, 2), f"{BOX} 0.1 0.1\n{BOX} 0.2 0.2"),
    "a point too few": (KeyPoints(3, 2), f"{BOX} 0.4 0.4 0.5 0.5"),
    "a point too many": (KeyPoints(1, 3), f"{BOX} 0.4 0.4 2 0.4 0.4 2"),
}
STRICTER = {"a point too few", "a point too many"}  # refused here; Ultralytics reads the points as corners of a polygon


@pytest.mark.parametrize("name", [*DIALECTS, *POSE])
def test_every_label_has_their_boxes_or_is_refused(name: str, tmp_path: Path) -> None:
    points, text = POSE.get(name, (None, DIALECTS.get(name, "")))
    image, label = tmp_path / "images" / "one.png", tmp_path / "labels" / "one.txt"
    image.parent.mkdir()
    label.parent.mkdir()
    image.write_bytes(pictures.by_pillow("PNG", "RGB") or b"")
    label.write_bytes(text.encode())
    shutil.copy(image, image.with_name("other.png"))  # Ultralytics wants one picture that it can keep
    label.with_name("other.txt").write_text(BOX)
    kept = theirs(image.parent, **({"kpt_shape": [points.count, points.values]} if points else {}))
    try:
        found = read_labels(label, 3, points)
    except DataError as error:
        assert str(error).startswith(f"{label}:") and "\n" not in str(error)
        assert "one.png" not in kept or name in STRICTER
        return
    rows = kept["one.png"][1]
    whole = rows[(rows[:, 3:] > 0).all(1)]
    assert np.array_equal(found.rows, whole)
    assert (found.empty, found.found) == (len(rows) - len(whole), True)
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip()]
    assert found.repeated == len(lines) - len(rows)
