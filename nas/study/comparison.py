"""The best design beside the best baseline: accuracy by class and size, detections in some pictures, time by stage.

It is found once, from the trained models, as a search concludes (`nas/search/compare.py`), and lies in `models/`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from nas.util.atomic_files import write_whole

_FILE = "comparison.json"

STEM, TOP, NECK, HEAD = "stem", "SPPF, C2PSA", "neck", "head"
"""Parts of a design beside its levels, as `StageTime` names them."""

Verdict = Literal["found", "missed", "invented"]
Group = Literal["largest", "median"]


@dataclass(frozen=True, slots=True)
class GroupAccuracy:
    """The accuracy on the objects of a class, or of a range of sizes.

    Attributes:
        name: The class or the range.
        objects: Objects of it in val.
        best: MAP50-95 of the best design; None where there is no object.
        rival: MAP50-95 of the best baseline; None where there is no object or no such baseline.
    """

    name: str
    objects: int
    best: float | None
    rival: float | None


@dataclass(frozen=True, slots=True)
class Box:
    """A box in a picture, in shares of its width and height.

    Attributes:
        verdict: `found`, a detection that is right; `missed`, an object without one; `invented`, any other detection.
        kind: Number of the class.
        confidence: Of the detection; None of an object.
        left: Of the box.
        top: Of the box.
        right: Of the box.
        bottom: Of the box.
    """

    verdict: Verdict
    kind: int
    confidence: float | None
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class ComparedPicture:
    """A picture of val with what both designs detect in it.

    Attributes:
        name: Its file's name.
        group: By which rule it was chosen.
        width: Of the picture below, in pixels.
        height: Of the picture below, in pixels.
        webp: The picture, a WebP file in base64.
        objects: Objects in it.
        best: Boxes of the best design.
        rival: Boxes of the best baseline.
    """

    name: str
    group: Group
    width: int
    height: int
    webp: str
    objects: int
    best: tuple[Box, ...]
    rival: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class StageTime:
    """What a part of a design is estimated to take.

    Attributes:
        stage: `stem`, `P2` to `P5`, `SPPF, C2PSA`, `neck` or `head`.
        ms: Milliseconds.
    """

    stage: str
    ms: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The best design beside the best baseline that meets the target.

    Attributes:
        label: The best design.
        rival: The best baseline; None where none meets the target, or it is the best design itself.
        files: SHA-256 of the measured file of each.
        confidence: From which on a detection is looked at in pictures.
        classes: Accuracy by class.
        sizes: Accuracy by size.
        pictures: Some pictures of val; none without a baseline.
        stages: By label, what the parts of a design are estimated to take: of the best and of a YOLO11 (`yolo11_of`).
        no_stages: Why `stages` is empty; None where it is not.
    """

    label: str
    rival: str | None
    files: tuple[str, ...]
    confidence: float
    classes: tuple[GroupAccuracy, ...]
    sizes: tuple[GroupAccuracy, ...]
    pictures: tuple[ComparedPicture, ...]
    stages: dict[str, tuple[StageTime, ...]]
    no_stages: str | None


def comparison_file(folder: Path) -> Path:
    """Where the comparison of a search lies.

    Args:
        folder: Results folder.
    """
    return folder / "models" / _FILE


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Write the comparison of a search.

    Args:
        folder: Results folder.
        comparison: What to write.

    Raises:
        StorageError: It cannot be written.
    """
    write_whole(comparison_file(folder), TypeAdapter(Comparison).dump_json(comparison))


def read_comparison(folder: Path, files: tuple[str, ...]) -> Comparison | None:
    """The comparison of a search; None where it is gone, cannot be read, or is of other files.

    Args:
        folder: Results folder.
        files: SHA-256 of the measured files that it must be of.
    """
    try:
        found = TypeAdapter(Comparison).validate_json(comparison_file(folder).read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found.files == files else None
