"""`load()`: from a data YAML, or nothing, to a checked `DetectionData`."""

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from nas.data.labels import label_path, read_labels
from nas.data.source import Source, find_yaml, read_source
from nas.data.split import select_size, stratified
from nas.data.values import DetectionData, Labels, Split
from nas.errors import DataError, UsageError


def load(data: str | None, *, fraction: float = 1.0, seed: int = 0) -> DetectionData:
    """Load a detection data set and check every label; a second call in the same process is immediate.

    Args:
        data: An Ultralytics data YAML, or None for the embedded set, which is made on first use.
        fraction: Share of the training pictures that proxies learn from (a stratified sample).
        seed: Of that sample; the selection part depends on neither.

    Raises:
        DataError: The data cannot be used; the message says why and where.
        UsageError: The fraction is not in (0, 1].
        StorageError: The embedded set cannot be written.
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"fraction must be above 0 and at most 1, got {fraction:g}")
    if data is None:
        from nas.data.embedded import embedded_yaml

        return _load(embedded_yaml(), 0, fraction, seed, embedded=True)
    file = find_yaml(data)
    return _load(file, file.stat().st_mtime_ns, fraction, seed, embedded=False)


@lru_cache(maxsize=4)
def _load(file: Path, modified: int, fraction: float, seed: int, *, embedded: bool) -> DetectionData:
    source = read_source(file)
    nc = len(source.names)
    train = _labelled(source, "train", source.train, nc)
    val = _labelled(source, "val", source.val, nc)
    if embedded:
        from nas.data.embedded import (
            SET_NAME as digest,
        )  # the name says version and seed; bytes follow from them

        name = "embedded"
    else:
        digest = _digest(source, train, val)
        name = file.parent.name if file.stem in ("data", "dataset") else file.stem
    pictures = source.train
    # A picture that is listed twice weighs more in train, and is in select once; it is never in both.
    files = [os.path.realpath(picture) for picture in pictures]
    distinct = sorted({one: index for index, one in reversed(list(enumerate(files)))}.values())  # first of each
    if len(distinct) < 4:
        raise DataError(f"{file}: `train:` holds {len(distinct)} images, at least 4 are needed")
    kept_apart = [
        distinct[place]
        for place in stratified(
            [train[index] for index in distinct],
            select_size(len(distinct)),
            seed=int(hashlib.sha256(digest.encode()).hexdigest()[:8], 16),
        )
    ]
    apart = {files[index] for index in kept_apart}
    rest = [index for index, one in enumerate(files) if one not in apart]
    want = max(2, round(fraction * len(rest)))  # one picture has no statistics where a map is 1x1
    chosen = [rest[index] for index in stratified([train[index] for index in rest], want, seed)]

    def split(part: str, indices: Sequence[int], key: str) -> Split:
        made = Split(part, tuple(pictures[i] for i in indices), tuple(train[i] for i in indices), key)
        if made.objects == 0:
            raise DataError(f"{file}: too few labelled pictures in `train:` to learn from some and compare on others")
        return made

    return DetectionData(
        name=name,
        source=file,
        names=source.names,
        digest=digest,
        fraction=fraction,
        train=split("train", chosen, f"{digest}/train/{fraction:g}/{seed}"),
        select=split("select", kept_apart, f"{digest}/select"),
        val=Split("val", source.val, tuple(val), f"{digest}/val"),
    )


def _labelled(source: Source, key: str, pictures: tuple[Path, ...], nc: int) -> list[Labels]:
    """One array of labels a picture; none at all in the whole split is an error."""
    read = [read_labels(label_path(picture), nc) for picture in pictures]
    labels = [np.zeros((0, 5), dtype=np.float32) if one is None else one for one in read]
    if not any(len(one) for one in labels):
        place = label_path(pictures[0])
        why = "there are no label files" if all(one is None for one in read) else "all label files are empty"
        raise DataError(
            f"{source.file}: the {len(pictures)} images of `{key}:` have no labels, {why}; "
            f"the labels of {pictures[0].name} are expected in {place}"
        )
    return labels


def _digest(source: Source, train: Sequence[Labels], val: Sequence[Labels]) -> str:
    """Of names, file names, file sizes and labels: fast, and the same wherever the folder lies."""
    digest = hashlib.sha256(repr(source.names).encode())
    for key, pictures, labels in (("train", source.train, train), ("val", source.val, val)):
        for picture, one in zip(pictures, labels, strict=True):
            digest.update(f"{key}/{picture.name}/{picture.stat().st_size}/".encode())
            digest.update(one.tobytes())
    return digest.hexdigest()[:16]
