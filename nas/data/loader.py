"""`load()`: from a data YAML, or nothing, to a checked `DetectionData`."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from statistics import median

import numpy as np

from nas.data.box_sizes import relative_sides
from nas.data.check_cache import stamp
from nas.data.data_yaml import find_yaml
from nas.data.dataset import DetectionData, Labels, Split
from nas.data.findings import Findings, PartFindings, overlaps, part_findings, part_sentences
from nas.data.labels import has_labels, label_path
from nas.data.picture import Picture
from nas.data.picture_files import Listed, Source, read_source
from nas.data.split_contents import Contents, Reading, read_contents, read_pictures
from nas.data.stratify import select_size, stratified
from nas.errors import DataError, UsageError


@dataclass(frozen=True, slots=True)
class _Asked:
    """A data set that is to be read; equal to another when nothing in its files has changed in between.

    Attributes:
        file: The data YAML.
        state: Of the YAML's contents, and of all pictures and label files.
        source: What the YAML names.
        reading: Called with the pictures that are read, and with all.
    """

    file: Path
    state: str
    source: Source = field(compare=False)
    reading: Reading | None = field(compare=False)

    def report(self, done: int, of: int) -> None:
        """Pass on how far the reading is."""
        if self.reading is not None:
            self.reading(done, of)


def load(data: str | None, *, fraction: float = 1.0, seed: int = 0, reading: Reading | None = None) -> DetectionData:
    """Load a detection data set and check every label and picture; a second call in the same process is immediate.

    Args:
        data: An Ultralytics data YAML, or None for the embedded set, which is made on first use.
        fraction: Share of the training pictures that proxies learn from (a stratified sample).
        seed: Of that sample; the selection part depends on neither.
        reading: Called as the pictures are read for the first time: how many are, and of how many.

    Raises:
        DataError: The data cannot be used; the message says why and where.
        UsageError: The fraction is not in (0, 1].
        StorageError: The embedded set, or what is remembered of pictures, cannot be written.
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"fraction must be above 0 and at most 1, got {fraction:g}")
    if data is None:
        from nas.data.synthetic.embedded import SET_NAME, embedded_yaml

        file = embedded_yaml()
        return load_cached(_Asked(file, SET_NAME, read_source(file), reading), fraction, seed, embedded=True)
    file = find_yaml(data)
    source = read_source(file)
    return load_cached(_Asked(file, _state(source), source, reading), fraction, seed, embedded=False)


def _state(source: Source) -> str:
    """What is another text whenever a file of the data set may hold something else."""
    digest = hashlib.sha256(repr(source.yaml).encode(errors="backslashreplace"))
    for listed in (source.train, source.val, source.test or Listed(())):
        digest.update(repr((listed.ignored, listed.unread)).encode(errors="backslashreplace"))
        for picture in listed.pictures:
            label = label_path(picture)
            marks = f"{stamp(picture)}/{stamp(label) if has_labels(label) else ''}"
            digest.update(os.fsencode(picture) + b"\0" + marks.encode())
    return digest.hexdigest()


@lru_cache(maxsize=4)
def load_cached(asked: _Asked, fraction: float, seed: int, *, embedded: bool) -> DetectionData:
    file, source = asked.file, asked.source
    train, val, test, no_test = _read(asked)
    names = source.yaml.names
    if embedded:
        from nas.data.synthetic.embedded import SET_NAME

        digest, name = SET_NAME, "embedded"  # the name says version and seed; bytes follow from them
        order = list(range(len(train.paths)))
    else:
        digest = _digest(names, train, val)
        name = file.parent.name if file.stem in ("data", "dataset") else file.stem
        order = _by_content(train)
    findings = part_findings(train, names), part_findings(val, names)
    kept_apart, rest = _parts(file, train, findings[0], order, digest)
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
        picture_px=round(median(max(one.height, one.width) for one in train.pictures)),
        val=Split("val", val.paths, tuple(one.rows for one in val.labels), f"{digest}/val"),
        findings=Findings(
            findings,
            overlaps({"train": _files(train), "val": _files(val), **({"test": test} if test else {})}),
            no_test,
            relative_sides(labels, [(one.height, one.width) for one in train.pictures]),
        ),
    )


def _read(asked: _Asked) -> tuple[Contents, Contents, dict[str, str], str | None]:
    """Train and val with their labels, the pixels of test's pictures, and why these are not known."""
    source = asked.source
    pictures = read_pictures([*source.train.pictures, *source.val.pictures], asked.report)
    splits = (source.train, source.val, source.test or Listed(()))
    used = {label_path(path) for listed in splits for path in listed.pictures}
    train, val = (
        read_contents(name, listed, source.yaml, [pictures[path] for path in listed.pictures], used)
        for name, listed in (("train", source.train), ("val", source.val))
    )
    if source.test is None:
        why = source.no_test
        return train, val, {}, why and f"test: not compared with train and val: {why}"
    try:
        seen = read_pictures(source.test.pictures, asked.report)
    except DataError as error:  # no command reads test, so a picture of it stops none
        alone = {os.path.realpath(path): "" for path in source.test.pictures}
        return train, val, alone, f"test: compared with train and val by file alone, not by contents: {error}"
    return train, val, {os.path.realpath(path): seen[path].pixels for path in source.test.pictures}, None


def _files(contents: Contents) -> dict[str, str]:
    """The pixels' digest of each file."""
    return {
        os.path.realpath(path): picture.pixels for path, picture in zip(contents.paths, contents.pictures, strict=True)
    }


def _parts(
    file: Path, train: Contents, found: PartFindings, order: Sequence[int], digest: str
) -> tuple[list[int], list[int]]:
    """Indices of the pictures kept apart for select, and of the others.

    Pictures of the same pixels are in one part alone: once in select, or each time that they are listed in train.
    """
    first: dict[str, int] = {}
    for index in order:
        first.setdefault(train.pictures[index].pixels, index)
    distinct = list(first.values())
    if len(distinct) < 4:
        said = "".join(f"; {sentence}" for sentence in part_sentences(found))
        raise DataError(f"{file}: `train:` holds {len(distinct)} different images, at least 4 are needed{said}")
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
