"""A split read whole: every picture decoded or remembered, every label file read."""

import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from nas.data.check_cache import recall, remember, stamp
from nas.data.data_yaml import DataYaml
from nas.data.labels import LabelFile, label_path, read_labels, spare_labels
from nas.data.picture import Picture, examine, quiet
from nas.data.picture_files import Listed
from nas.errors import DataError

Reading = Callable[[int, int], None]
"""Called with the number of pictures that are read, and of all."""

_AT_ONCE = 256


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What is in the files of a split.

    Attributes:
        name: `train` or `val`.
        paths: The picture files.
        pictures: What is in each.
        labels: The label file of each.
        ignored: Lines of list files that name no picture.
        unread: Files of picture formats that Ultralytics does not read.
        spare: Label files in its folders of labels that are no picture's.
    """

    name: str
    paths: tuple[Path, ...]
    pictures: tuple[Picture, ...]
    labels: tuple[LabelFile, ...]
    ignored: tuple[str, ...]
    unread: tuple[str, ...]
    spare: tuple[Path, ...]


def read_contents(
    name: str, listed: Listed, yaml: DataYaml, pictures: Sequence[Picture], used: Collection[Path]
) -> Contents:
    """Read the label files of a split.

    Args:
        name: `train` or `val`.
        listed: Its pictures.
        yaml: The data YAML.
        pictures: What is in each.
        used: The label files of the pictures of all splits.

    Raises:
        DataError: A label file breaks a rule, or no picture has a label.
    """
    nc = len(yaml.names)
    labels = tuple(read_labels(label_path(path), nc, yaml.key_points) for path in listed.pictures)
    if not any(len(one.rows) for one in labels):
        first = listed.pictures[0]
        raise DataError(
            f"{yaml.file}: the {len(labels)} images of `{name}:` have no labels, {_why_none(labels)}; the labels of "
            f"{first.name} are expected in {label_path(first)}"
        )
    spare = spare_labels(listed.folders, used)
    return Contents(name, listed.pictures, tuple(pictures), labels, listed.ignored, listed.unread, spare)


def _why_none(labels: Sequence[LabelFile]) -> str:
    if not any(one.found for one in labels):
        return "there are no label files"
    empty = sum(one.empty for one in labels)
    return f"all {empty} boxes have no width or no height" if empty else "all label files are empty"


def read_pictures(paths: Sequence[Path], reading: Reading) -> dict[Path, Picture]:
    """Decode every picture once; what has not changed since another time is remembered.

    Args:
        paths: The picture files.
        reading: Called as pictures are read.

    Raises:
        DataError: A picture cannot be read.
        StorageError: The cache folder cannot be written.
    """
    every = list(dict.fromkeys(paths))
    known = recall(every)
    new = [path for path in every if path not in known]
    with quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:  # quiet here, since threads cannot take turns with it
        for begin in range(0, len(new), _AT_ONCE):
            reading(begin, len(new))
            some = new[begin : begin + _AT_ONCE]
            marks = [stamp(path) for path in some]
            found = dict(zip(some, pool.map(examine, some), strict=True))
            remember({path: (mark, found[path]) for path, mark in zip(some, marks, strict=True)})
            known |= found
    if new:
        reading(len(new), len(new))
    return known
