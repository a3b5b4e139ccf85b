"""Label files: Ultralytics' own reader says what is in them, and whatever it would leave out is an error here.

A row is `class x y width height` as shares of the picture's sides; of a polygon `class x1 y1 x2 y2 ...` Ultralytics
takes the enclosing box, and of a pose row the box before its key points. The only rows that are left out here and
not there are boxes of no width or height, which no detector can find; they are counted.
"""

import errno
import glob
import io
import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from nas.data.data_yaml import KeyPoints
from nas.data.dataset import Labels
from nas.data.picture import quiet, ultralytics_data
from nas.errors import DataError

_TOLERANCE = 0.01
_NAMES = "classes.txt"
"""Class names, which labelling tools write among the label files."""

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass(frozen=True, slots=True, eq=False)
class LabelFile:
    """What a picture's label file says.

    Attributes:
        rows: (objects, 5) float32, in the order of the file; empty where there is no file.
        found: Whether there is a file.
        repeated: Rows that stand in the file before, and are left out.
        empty: Boxes of no width or no height, which are left out.
        polygons: Rows that are polygons.
        posed: Rows with key points.
    """

    rows: Labels
    found: bool
    repeated: int = 0
    empty: int = 0
    polygons: int = 0
    posed: int = 0


def label_path(image: Path) -> Path:
    """Where a picture's labels lie: the last folder `images` of its path becomes `labels`, the suffix `.txt`."""
    return Path(ultralytics_data().img2label_paths([image])[0])


def spare_labels(folders: Sequence[Path], used: Collection[Path]) -> tuple[Path, ...]:
    """The label files of folders of pictures that are no picture's: it is missing, hidden, or of a format not read.

    Args:
        folders: Of pictures.
        used: The label files of pictures.
    """
    homes = {label_path(folder / "any.png").parent for folder in folders}
    files = (
        Path(name)
        for home in homes
        for name in glob.glob(os.path.join(glob.escape(str(home)), "**", "*.txt"), recursive=True)
    )
    return tuple(sorted({file for file in files if file not in used and file.name != _NAMES}))


def has_labels(path: Path) -> bool:
    """Whether there is a label file.

    Raises:
        DataError: Its folder may not be entered, and Ultralytics would take the picture as without objects.
    """
    try:
        path.stat()
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise DataError(f"cannot look for the label file {path}: {error.strerror}") from error
    return True


def read_labels(path: Path, nc: int, key_points: KeyPoints | None = None) -> LabelFile:
    """Read a label file as Ultralytics does.

    Args:
        path: The label file.
        nc: Number of classes.
        key_points: Of a pose data set.

    Raises:
        DataError: A row breaks a rule, so that Ultralytics would leave the whole picture out; names the row.
    """
    count, values = (key_points.count, key_points.values) if key_points else (0, 0)
    with quiet():
        read = ultralytics_data().verify_image_label(
            (io.BytesIO(_picture()), str(path), "", False, nc, count, values, False)
        )
    _, rows, _, _, _, missing, *_, corrupt, message = read
    if missing and has_labels(path):
        raise DataError(
            f"{path} has a label file's name and is no file, but a folder or a pipe; rename it, or remove it"
        )
    if missing:
        return LabelFile(np.zeros((0, 5), dtype=np.float32), found=False)
    words = _words(path)
    lengths = Counter(len(row) for _, row in words)
    posed = lengths[5 + count * values] if key_points else 0
    if corrupt or (key_points and lengths[5] + posed < len(words)):
        raise DataError(_fault(path, words, nc, key_points) or _unnamed(path, message))
    flat = (rows[:, 3] == 0) | (rows[:, 4] == 0)
    return LabelFile(
        rows=np.asarray(rows[~flat], dtype=np.float32),
        found=True,
        repeated=len(words) - len(rows),
        empty=int(flat.sum()),
        polygons=0 if key_points else sum(number for length, number in lengths.items() if length > 5),
        posed=posed,
    )


@cache
def _picture() -> bytes:
    """A picture that is good for Ultralytics, whose reader takes no labels without one."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "PNG")
    return file.getvalue()


def _words(path: Path) -> list[tuple[int, list[str]]]:
    """Number, from 1, and words of each row that is not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the label file {path}: {error}") from error
    return [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _unnamed(path: Path, message: str) -> str:
    why = message.partition("ignoring corrupt image/label: ")[2] or message
    return f"{path}: Ultralytics would leave the picture out: {' '.join(why.split())}"


def _fault(path: Path, words: list[tuple[int, list[str]]], nc: int, key_points: KeyPoints | None) -> str | None:
    """The first row that breaks a rule, and the rule; None where no single row does."""
    boxes = next((number for number, row in words if len(row) == 5), None)
    for number, row in words:
        if why := _broken_rule(row, nc, key_points):
            return f"{path}:{number}: {why}"
        if key_points is None and len(row) > 6 and boxes is not None:
            return (
                f"{path}:{number}: the row is a polygon and the row in line {boxes} is a box, and Ultralytics leaves "
                "such a picture out; write all rows of a file in one way"
            )
    return None


def _broken_rule(row: list[str], nc: int, key_points: KeyPoints | None) -> str | None:
    if key_points:
        length = 5 + key_points.count * key_points.values
        rows_of = f"each line needs a box (5 numbers) or, by `kpt_shape:`, a box with key points ({length} numbers)"
    else:
        length = 0
        rows_of = "each line needs `class x y width height` (5 numbers) or a polygon `class x1 y1 x2 y2 x3 y3 ...`"
    try:
        values = [float(word) for word in row]
    except ValueError:
        return f"{rows_of}; got {' '.join(row[:6])!r}"
    polygon = not key_points and len(values) > 6 and len(values) % 2 == 1
    if len(values) not in (5, length) and not polygon:
        return f"{rows_of}; got {len(values)} numbers"
    kind, points = values[0], values[1:] if polygon else values[1:5]
    if not 0 <= kind < nc or kind != int(kind):
        return (
            f"the class must be a whole number from 0 to {nc - 1} (the data YAML names {nc} "
            f"classes), got {row[0]}; correct the label or add the class to `names:`"
        )
    outside = [value for value in points if not -_TOLERANCE <= value <= 1 + _TOLERANCE]
    if outside:
        return (
            f"coordinates must be shares of the picture's width and height, from 0 to 1, "
            f"got {outside[0]:g}; divide pixels by the picture's size"
        )
    if not polygon and (points[2] < 0 or points[3] < 0):
        return f"width and height must not be negative, got {points[2]:g} and {points[3]:g}"
    return None
