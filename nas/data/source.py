"""Which pictures a data YAML names: folders and list files, as Ultralytics reads them."""

import glob
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nas.data.data_yaml import DataYaml, read_yaml
from nas.data.picture import ultralytics_data
from nas.errors import DataError


@dataclass(frozen=True, slots=True)
class Listed:
    """The pictures of one split.

    Attributes:
        pictures: Absolute paths, sorted; a picture that is listed twice stands here twice.
        ignored: Lines of list files that name no picture.
    """

    pictures: tuple[Path, ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A data YAML with the pictures that it names.

    Attributes:
        yaml: What it says.
        train: Training pictures.
        val: Validation pictures.
        test: Test pictures; None where the YAML has none, or where they are not here.
    """

    yaml: DataYaml
    train: Listed
    val: Listed
    test: Listed | None


def read_source(file: Path) -> Source:
    """Read a data YAML and list its pictures.

    Raises:
        DataError: The YAML cannot be read, lacks a key, or names training or validation pictures that are not there.
    """
    content = read_yaml(file)
    try:
        test = _listed(content, "test") if content.entries["test"] else None
    except DataError:  # an exported YAML often names a test folder that was left out, and no command needs it
        test = None
    return Source(content, _listed(content, "train"), _listed(content, "val"), test)


def _listed(content: DataYaml, key: str) -> Listed:
    found: list[Path] = []
    ignored: list[str] = []
    for entry in content.entries[key]:
        place = _resolve(content.root, entry)
        if os.path.isdir(place):
            found += _within(place)
        elif os.path.isfile(place):
            pictures, others = _lines(place)
            found += pictures
            ignored += others
        else:
            hint = " (its `download:` entry is never carried out: fetch the data first)" if content.downloads else ""
            raise DataError(f"{content.file}: `{key}: {entry}` does not exist, looked in {place}{hint}")
    if not found:
        entries = ", ".join(content.entries[key])
        why = f"; of a list, the line {ignored[0]!r} names none" if ignored else ""
        raise DataError(
            f"{content.file}: `{key}: {entries}` holds no images (suffixes: {', '.join(sorted(_suffixes()))}){why}"
        )
    return Listed(tuple(sorted(found)), tuple(ignored))


def _resolve(root: Path, entry: str) -> Path:
    """A folder or list file; links are followed first, as by Ultralytics, so that labels lie beside their target."""
    place = os.path.realpath(root / entry)
    if not os.path.exists(place) and entry.startswith("../"):  # exported by a tool that counts from another folder
        place = os.path.realpath(root / entry[3:])
    return Path(place)


def _within(folder: Path) -> list[Path]:
    """The pictures in a folder and below, as Ultralytics finds them: nothing hidden, and linked folders too."""
    names = glob.glob(os.path.join(glob.escape(str(folder)), "**", "*.*"), recursive=True)
    pictures = [Path(name) for name in names if _is_picture(name)]
    missing = next((picture for picture in pictures if not picture.is_file()), None)
    if missing is not None:
        raise DataError(f"{missing} has a picture's name and is a folder or a link to nothing; rename or remove it")
    return pictures


def _lines(file: Path) -> tuple[list[Path], list[str]]:
    """The pictures of a list file, one path a line, and the lines that name none."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read {file} as a list of pictures, UTF-8 text with one path a line: {error}; name such a list "
            "or a folder"
        ) from error
    lines = [line for line in text.strip().splitlines() if line.strip()]
    here = [file.parent / line[2:] if line.startswith("./") else Path(line) for line in lines if _is_picture(line)]
    missing = next((picture for picture in here if not os.path.isfile(picture)), None)
    if missing is not None:
        hint = "; write its folders with / in place of \\" if "\\" in str(missing) else ""
        raise DataError(f"{file} lists a picture that does not exist: {missing.absolute()}{hint}")
    return [picture.absolute() for picture in here], [line for line in lines if not _is_picture(line)]


def _is_picture(name: str) -> bool:
    return name.rpartition(".")[-1].lower() in _suffixes()


@cache
def _suffixes() -> frozenset[str]:
    return frozenset(ultralytics_data().IMG_FORMATS)
