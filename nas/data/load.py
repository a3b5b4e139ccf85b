"""`load()`: from a data YAML, or nothing, to a checked `DetectionData`."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from nas.data.contents import Contents, Reading, read_contents, read_pictures
from nas.data.data_yaml import find_yaml
from nas.data.findings import Findings, overlaps, part_findings
from nas.data.picture import Picture
from nas.data.source import Source, read_source
from nas.data.split import select_size, stratified
from nas.data.values import DetectionData, Labels, Split
from nas.errors import DataError, UsageError


@dataclass(frozen=True, slots=True)
class _Told:
    """Who is told how far the reading is; for the cache of `_load` all are the same."""

    reading: Reading | None = field(compare=False)

    def __call__(self, done: int, of: int) -> None:
        if self.reading is not None:
            self.reading(done, of)


def load(data: str | None, *, fraction: float = 1.0, seed: int = 0, reading: Reading | None = None) -> DetectionData:
    """Load a detection data set and check every label and picture; a second call in the same process is immediate.

    Args:
        data: An Ultralytics data YAML, or None for the embedded set, which is made on first use.
        fraction: Share of the training pictures that proxies learn from (a stratified sample).
        seed: Of that sample; the selection part depends on neither.
        reading: Is told how far the first reading of the pictures is.

    Raises:
        DataError: The data cannot be used; the message says why and where.
        UsageError: The fraction is not in (0, 1].
        StorageError: The embedded set, or what is remembered of pictures, cannot be written.
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"fraction must be above 0 and at most 1, got {fraction:g}")
    if data is None:
        from nas.data.embedded import embedded_yaml

        return _load(embedded_yaml(), 0, fraction, seed, _Told(reading), embedded=True)
    file = find_yaml(data)
    return _load(file, file.stat().st_mtime_ns, fraction, seed, _Told(reading), embedded=False)


@lru_cache(maxsize=4)
def _load(file: Path, modified: int, fraction: float, seed: int, told: _Told, *, embedded: bool) -> DetectionData:
    source = read_source(file)
    train, val, test = _read(source, told)
    names = source.yaml.names
    if embedded:
        from nas.data.embedded import SET_NAME

        digest, name = SET_NAME, "embedded"  # the name says version and seed; bytes follow from them
        order = list(range(len(train.paths)))
    else:
        digest = _digest(names, train, val)
        name = file.parent.name if file.stem in ("data", "dataset") else file.stem
        order = _by_content(train)
    kept_apart, rest = _parts(file, train, order, digest)
    labels = [one.rows for one in train.labels]
    want = max(2, round(fraction * len(rest)))  # one picture has no statistics where a map is 1x1
    chosen = [rest[place] for place in stratified([labels[index] for index in rest], want, seed)]

    def split(part: str, indices: Sequence[int], key: str) -> Split:
        made = Split(part, tuple(train.paths[i] for i in indices), tuple(labels[i] for i in indices), key)
        if made.objects == 0:
            raise DataError(f"{file}: too few labelled pictures in `train:` to learn from some and compare on others")
        return made

    return DetectionData(
        name=name,
        source=file,
        names=names,
        digest=digest,
        fraction=fraction,
        train=split("train", chosen, f"{digest}/train/{fraction:g}/{seed}"),
        select=split("select", kept_apart, f"{digest}/select"),
        whole=Split("train", train.paths, tuple(labels), f"{digest}/whole"),
        val=Split("val", val.paths, tuple(one.rows for one in val.labels), f"{digest}/val"),
        findings=Findings(
            (part_findings(train, names), part_findings(val, names)),
            overlaps({"train": _files(train), "val": _files(val), **({"test": test} if test else {})}),
        ),
    )


def _read(source: Source, reading: Reading) -> tuple[Contents, Contents, dict[str, str]]:
    """Train and val with their labels, and the pixels of test's pictures."""
    pictures = read_pictures([*source.train.pictures, *source.val.pictures], reading)
    train, val = (
        read_contents(name, listed, source.yaml, [pictures[path] for path in listed.pictures])
        for name, listed in (("train", source.train), ("val", source.val))
    )
    test: dict[str, str] = {}
    if source.test is not None:
        try:
            seen = read_pictures(source.test.pictures, reading)
            test = {os.path.realpath(path): seen[path].pixels for path in source.test.pictures}
        except DataError:  # a test picture that no command reads stops none; it is compared by its file alone
            test = {os.path.realpath(path): "" for path in source.test.pictures}
    return train, val, test


def _files(contents: Contents) -> dict[str, str]:
    """The pixels' digest of each file."""
    return {
        os.path.realpath(path): picture.pixels for path, picture in zip(contents.paths, contents.pictures, strict=True)
    }


def _parts(file: Path, train: Contents, order: Sequence[int], digest: str) -> tuple[list[int], list[int]]:
    """Indices of the pictures kept apart for select, and of the others.

    Pictures of the same pixels are in one part alone: once in select, or each time that they are listed in train.
    """
    first: dict[str, int] = {}
    for index in order:
        first.setdefault(train.pictures[index].pixels, index)
    distinct = list(first.values())
    if len(distinct) < 4:
        raise DataError(f"{file}: `train:` holds {len(distinct)} different images, at least 4 are needed")
    chosen = stratified(
        [train.labels[index].rows for index in distinct],
        select_size(len(distinct)),
        seed=int(hashlib.sha256(digest.encode()).hexdigest()[:8], 16),
    )
    kept_apart = [distinct[place] for place in chosen]
    apart = {train.pictures[index].pixels for index in kept_apart}
    return kept_apart, [index for index in order if train.pictures[index].pixels not in apart]


def _content(picture: Picture, rows: Labels) -> bytes:
    ordered = rows[np.lexsort(rows.T)]  # the order of a file's rows says nothing
    return hashlib.sha256(f"{picture.pixels}/".encode() + ordered.tobytes()).digest()


def _contents(contents: Contents) -> list[bytes]:
    return [_content(picture, labels.rows) for picture, labels in zip(contents.pictures, contents.labels, strict=True)]


def _by_content(contents: Contents) -> list[int]:
    """Indices in an order that hangs on pixels and labels alone, not on the names of files."""
    keys = _contents(contents)
    return sorted(range(len(keys)), key=keys.__getitem__)


def _digest(names: Sequence[str], train: Contents, val: Contents) -> str:
    """Of the class names, and of the pixels and labels of each split: wherever they lie, and under what names."""
    digest = hashlib.sha256(repr(tuple(names)).encode())
    for one in (train, val):
        digest.update(f"{one.name}/".encode())
        for content in sorted(_contents(one)):
            digest.update(content)
    return digest.hexdigest()[:16]
