"""What a user should know of a data set before a search or a training: counts, and the sentences that say them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.data.box_sizes import small_boxes
from nas.data.labels import label_path
from nas.data.split_contents import Contents


@dataclass(frozen=True, slots=True)
class PartFindings:
    """Counts in one split of the data YAML.

    Attributes:
        name: `train` or `val`.
        unlabelled: Pictures without a label file.
        empty: Boxes of no width or height, left out.
        repeated: Rows that stand twice in a file, left out the second time.
        polygons: Rows that are polygons.
        posed: Rows with key points.
        trailing: JPEGs with bytes after their end.
        sharing: Pictures of one name but for the suffix, which have one label file.
        copies: Pictures whose pixels another one has before it.
        disagreeing: Pictures whose pixels another one has, with other labels.
        ignored: Lines of list files that name no picture.
        unread: Files of picture formats that Ultralytics does not read.
        spare: Label files that are no picture's.
        absent: Classes without a box.
    """

    name: str
    unlabelled: int
    empty: int
    repeated: int
    polygons: int
    posed: int
    trailing: int
    sharing: int
    copies: int
    disagreeing: int
    ignored: int
    unread: int
    spare: int
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Pictures of one split that are in another as well.

    Attributes:
        first: The split whose pictures are counted.
        second: The other.
        files: Pictures that are the same file in both.
        contents: Pictures of the same pixels in another file.
        of: Pictures of the first.
    """

    first: str
    second: str
    files: int
    contents: int
    of: int


@dataclass(frozen=True, slots=True)
class Findings:
    """What is to be said of a data set.

    Attributes:
        parts: Counts of train and val.
        overlaps: Each pair of splits that share a picture.
        test: Why the YAML's test could not be compared with the others, or not by its contents; None where it was.
        sides: The side of each box of train, as a share of its picture's longer side; see `box_sizes.relative_sides`.
    """

    parts: tuple[PartFindings, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    test: str | None = None
    sides: tuple[float, ...] = ()

    def shared(self, first: str, second: str) -> Overlap | None:
        """The overlap of two splits, None where they share no picture."""
        return next((one for one in self.overlaps if (one.first, one.second) == (first, second)), None)

    def sentences(self, sizes: Sequence[int] = ()) -> list[str]:
        """One line each, what matters most first.

        Args:
            sizes: Input sizes in pixels, at which boxes may be too small.
        """
        small = small_boxes(self.sides, sizes)
        return [
            *map(_overlap_sentence, self.overlaps),
            *([small] if small else []),
            *([self.test] if self.test else []),
            *(line for part in self.parts for line in part_sentences(part)),
        ]


def part_findings(contents: Contents, names: Sequence[str]) -> PartFindings:
    """Count what is to be said of one split."""
    labels = contents.labels
    present = {int(kind) for one in labels for kind in one.rows[:, 0]}
    return PartFindings(
        name=contents.name,
        unlabelled=sum(not one.found for one in labels),
        empty=sum(one.empty for one in labels),
        repeated=sum(one.repeated for one in labels),
        polygons=sum(one.polygons for one in labels),
        posed=sum(one.posed for one in labels),
        trailing=sum(one.trailing for one in contents.pictures),
        sharing=_sharing(contents),
        copies=len(contents.pictures) - len({one.pixels for one in contents.pictures}),
        disagreeing=_disagreeing(contents),
        ignored=len(contents.ignored),
        unread=len(contents.unread),
        spare=len(contents.spare),
        absent=tuple(name for kind, name in enumerate(names) if kind not in present),
    )


def _disagreeing(contents: Contents) -> int:
    by_pixels: dict[str, list[bytes]] = {}
    for picture, label in zip(contents.pictures, contents.labels, strict=True):
        ordered = label.rows[np.lexsort(label.rows.T)]  # the order of a file's rows says nothing
        by_pixels.setdefault(picture.pixels, []).append(ordered.tobytes())
    return sum(len(group) for group in by_pixels.values() if len(set(group)) > 1)


def _sharing(contents: Contents) -> int:
    files = {path: label_path(path) for path in contents.paths}
    users = Counter(files.values())
    return sum(users[label] > 1 for label in files.values())


def overlaps(splits: Mapping[str, Mapping[str, str]]) -> tuple[Overlap, ...]:
    """The pairs of splits that share a picture.

    Args:
        splits: By name, the pixels' digest of each file (its real path).
    """
    found = []
    names = list(splits)
    for place, second in enumerate(names):
        pixels = set(splits[second].values())
        for first in names[place + 1 :]:
            mine = splits[first]
            files = sum(file in splits[second] for file in mine)
            contents = sum(one in pixels and file not in splits[second] for file, one in mine.items())
            if files or contents:
                found.append(Overlap(first, second, files, contents, len(mine)))
    return tuple(found)


_KEPT_TOGETHER = {"train": ": all copies are in one of train and select"}


def _overlap_sentence(one: Overlap) -> str:
    kinds = [f"{one.files} the same file"] * bool(one.files)
    kinds += [f"{one.contents} another file of the same pixels"] * bool(one.contents)
    result = {
        ("val", "train"): "a score on val is not of unseen pictures",
        ("test", "train"): "a score on test is not of unseen pictures",
        ("test", "val"): "val and test are not independent",
    }[one.first, one.second]
    return (
        f"{one.files + one.contents} of the {one.of} pictures of {one.first} are in {one.second} as well "
        f"({', '.join(kinds)}): {result}"
    )


def part_sentences(part: PartFindings) -> list[str]:
    """What is to be said of one split, one line each."""
    counted = [
        (part.unlabelled, "picture", "without a label file: taken as without objects"),
        (part.empty, "box", "of no width or no height: left out"),
        (part.repeated, "row", "that stand twice in a label file: taken once"),
        (part.polygons, "polygon row", "taken as the enclosing boxes"),
        (part.posed, "row", "with key points: the box is taken"),
        (part.trailing, "JPEG", "with bytes after the end, which Ultralytics would encode anew: read as they are"),
        (part.sharing, "picture", "of the same name as another but for the suffix: they have one label file"),
        (part.copies, "picture", "of the same pixels as another" + _KEPT_TOGETHER.get(part.name, "")),
        (part.disagreeing, "picture", "of the same pixels as another have other labels than that one"),
        (part.ignored, "line", "of a list file that name no picture: left out"),
        (part.unread, "file", "of a picture format that Ultralytics does not read: left out"),
        (part.spare, "label file", "without a picture: left out"),
    ]
    lines = [f"{part.name}: {count} {_plural(noun, count)} {what}" for count, noun, what in counted if count]
    if part.absent:
        lines.append(f"{part.name}: no box of {_listed(part.absent)}")
    return lines


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}es" if noun.endswith("x") else f"{noun}s"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8} more classes" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more
