"""A data set as Ultralytics is to train on it: the pictures and boxes that ghostnas reads, in a folder of our own.

Ultralytics writes a cache beside the labels, reads arrays that it finds beside the pictures, and encodes a JPEG anew
in place when bytes follow its end. So it gets links to the user's pictures, a copy of such a JPEG, and label files of
boxes alone.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import yaml

from nas.data.check_cache import stamp
from nas.data.dataset import DetectionData, Labels, Split
from nas.data.picture import JPEG_END, ends_like_a_jpeg
from nas.errors import StorageError
from nas.util.paths import writable_dir
from nas.util.plain_path import plain_name

DATA_FILE = "data.yaml"
SOURCES_FILE = "sources"
"""Holds a digest of the user's files in the order of the links."""
_JPEG_BEGINNING = b"\xff\xd8\xff"


def write_view(data: DetectionData, home: Path) -> Path:
    """Write the folder, unless it is there: its name is the data's digest, and checkpoints refer to it.

    Args:
        data: The data set.
        home: Where such folders lie.

    Returns:
        The data YAML in it, which may be moved with its folder.

    Raises:
        StorageError: It cannot be written.
    """
    if (data.source.parent / SOURCES_FILE).is_file():  # a training that goes on: this is such a folder already
        _mend_ends(data)
        return data.source
    folder = writable_dir(home) / data.digest / plain_name(data.name)
    if (folder / DATA_FILE).is_file() and (folder / SOURCES_FILE).read_text() == _sources(data):
        return folder / DATA_FILE
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Made under another name and renamed, so that a half-made folder is never taken for a whole one.
        making = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
        try:
            _write(data, making)
            if folder.exists():
                shutil.rmtree(folder)
            making.rename(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"cannot write the data for Ultralytics in {home}: {error.strerror or error}") from error
    return folder / DATA_FILE


def _sources(data: DetectionData) -> str:
    """Of paths, files and rows: the same contents may lie elsewhere today, or under each other's names."""
    digest = hashlib.sha256()
    for part in (data.whole, data.val):
        for path, rows in zip(part.images, part.labels, strict=True):
            digest.update(os.fsencode(path) + f"\0{stamp(path)}\0{len(rows)}\0".encode() + rows.tobytes())
    return digest.hexdigest()


def _mend_ends(data: DetectionData) -> None:
    """Copies in place of links to JPEGs that got bytes after their end meanwhile."""
    for path in (path for part in (data.whole, data.val) for path in part.images):
        if _would_be_written(path):
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content + JPEG_END)


def _write(data: DetectionData, folder: Path) -> None:
    for part in (data.whole, data.val):
        _write_split(part, folder)
    (folder / SOURCES_FILE).write_text(_sources(data))
    keys = {"train": "images/train", "val": "images/val", "names": dict(enumerate(data.names))}
    (folder / DATA_FILE).write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")


def _write_split(split: Split, folder: Path) -> None:
    images, labels = folder / "images" / split.name, folder / "labels" / split.name
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    for index, (path, rows) in enumerate(zip(split.images, split.labels, strict=True)):
        stem = f"{index:06d}"
        _place(path, images / f"{stem}.{path.name.rpartition('.')[2].lower()}")
        if len(rows):
            (labels / f"{stem}.txt").write_text(_text(rows))


def _text(rows: Labels) -> str:
    """Rows that read back to the same float32 numbers.

    Of two polygons in one box Ultralytics keeps both, of two equal boxes one: the second gets the next larger width.
    """
    seen: set[bytes] = set()
    rows = rows.copy()
    for row in rows:
        while row.tobytes() in seen:
            row[3] = np.nextafter(row[3], np.float32(2))
        seen.add(row.tobytes())
    return "".join(f"{int(row[0])} " + " ".join(f"{value:.9g}" for value in row[1:]) + "\n" for row in rows)


def _place(picture: Path, link: Path) -> None:
    """A link to a picture; a copy of a JPEG that Ultralytics would write, with the end that it asks for."""
    if _would_be_written(picture):
        link.write_bytes(picture.read_bytes() + JPEG_END)
        return
    try:
        link.symlink_to(picture.absolute())
    except OSError:  # a file system without links
        shutil.copyfile(picture, link)


def _would_be_written(picture: Path) -> bool:
    """Whether Ultralytics would encode a file anew: a JPEG that does not end in its marker."""
    with picture.open("rb") as file:
        jpeg = file.read(len(_JPEG_BEGINNING)) == _JPEG_BEGINNING
    return jpeg and not ends_like_a_jpeg(picture)
