"""Label files of Ultralytics' format: `class x y width height` a line, as shares of the picture's sides.

A line with more than 6 numbers is a polygon, `class x1 y1 x2 y2 ...`, of which the enclosing box is taken. As
in Ultralytics a coordinate may lie outside 0..1 by 0.01 (rounding), a row that stands twice counts once, and
a picture without a label file has no objects. Unlike Ultralytics, which skips a picture with a bad label and
goes on, anything else is an error that names file and line.
"""

import os
from pathlib import Path

import numpy as np

from nas.data.values import Labels
from nas.errors import DataError

_TOLERANCE = 0.01
_ROWS_OF = "each line needs `class x y width height` (5 numbers) or a polygon `class x1 y1 x2 y2 x3 y3 ...`"


def label_path(image: Path) -> Path:
    """Where a picture's labels lie: the last folder `images` of its path becomes `labels`, the suffix `.txt`.

    Args:
        image: The picture file.
    """
    here, there = f"{os.sep}images{os.sep}", f"{os.sep}labels{os.sep}"
    return Path(there.join(str(image).rsplit(here, 1))).with_suffix(".txt")


def read_labels(path: Path, nc: int) -> Labels | None:
    """Read and check one label file; None when there is none.

    Args:
        path: The label file.
        nc: Number of classes.

    Raises:
        DataError: A line breaks a rule.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the label file {path}: {error}") from error
    rows = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not rows:
        return np.zeros((0, 5), dtype=np.float32)
    boxes = np.array([_box(path, number, words, nc) for number, words in rows], dtype=np.float32)
    return np.unique(boxes, axis=0)


def _box(path: Path, number: int, words: list[str], nc: int) -> tuple[float, float, float, float, float]:
    where = f"{path}:{number}"
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise DataError(f"{where}: {_ROWS_OF}; got {' '.join(words[:6])!r}") from None
    if len(values) != 5 and (len(values) < 7 or len(values) % 2 == 0):
        raise DataError(f"{where}: {_ROWS_OF}; got {len(values)} numbers")
    kind, points = values[0], values[1:]
    if not 0 <= kind < nc or kind != int(kind):
        raise DataError(
            f"{where}: the class must be a whole number from 0 to {nc - 1} (the data YAML names {nc} "
            f"classes), got {words[0]}; correct the label or add the class to `names:`"
        )
    outside = [value for value in points if not -_TOLERANCE <= value <= 1 + _TOLERANCE]
    if outside:
        raise DataError(
            f"{where}: coordinates must be shares of the picture's width and height, from 0 to 1, "
            f"got {outside[0]:g}; divide pixels by the picture's size"
        )
    if len(points) > 4:
        xs, ys = points[0::2], points[1::2]
        x, y, width, height = (
            (min(xs) + max(xs)) / 2,
            (min(ys) + max(ys)) / 2,
            max(xs) - min(xs),
            max(ys) - min(ys),
        )
    else:
        x, y, width, height = points
    if width < 0 or height < 0:
        raise DataError(f"{where}: width and height must not be negative, got {width:g} and {height:g}")
    return kind, x, y, width, height
