"""Which pictures a data YAML names: folders and list files, as Ultralytics reads them."""

import glob
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nas.data.data_yaml import DataYaml, read_yaml
from nas.data.labels import label_path
from nas.data.picture import ultralytics_data
from nas.errors import DataError


@dataclass(frozen=True, slots=True)
class Listed:
    """The pictures of one split.

    Attributes:
        pictures: Absolute paths, sorted; a picture that is listed twice stands here twice.
        ignored: Lines of list files that name no picture.
        folders: The folders that were searched for pictures.
        unread: Files in these of picture formats that Ultralytics does not read.
    """

    pictures: tuple[Path, ...]
    ignored: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A data YAML with the pictures that it names.

    Attributes:
        yaml: What it says.
        train: Training pictures.
        val: Validation pictures.
        test: Test pictures; None where the YAML has none, or where they are not here.
        no_test: Why there are none, where the YAML names some.
    """

    yaml: DataYaml
    train: Listed
    val: Listed
    test: Listed | None
    no_test: str | None = None


def read_source(file: Path) -> Source:
    """Read a data YAML and list its pictures.

    Raises:
        DataError: The YAML cannot be read, lacks a key, or names training or validation pictures that are not there.
    """
    content = read_yaml(file)
    train, val = _listed(content, "train"), _listed(content, "val")
    if not content.entries["test"]:
        return Source(content, train, val, None)
    try:
        return Source(content, train, val, _listed(content, "test"))
    except DataError as error:  # an exported YAML often names a test folder that was left out, and no command needs it
        return Source(content, train, val, None, str(error))


def split_that_holds(file: Path, path: Path) -> str | None:
    """The split of a data YAML of which a path is a picture, or in whose folder it lies, so that it would become one.

    Args:
        file: The data YAML.
        path: A file that need not be there.
    """
    content, target = read_yaml(file), Path(os.path.realpath(path))
    for key, entries in content.entries.items():
        if any(_holds(_resolve(content, key, entry), target) for entry in entries):
            return key
    return None


def _holds(place: Path, target: Path) -> bool:
    if place.is_dir():
        return target.is_relative_to(place)
    try:
        pictures, _ = _lines(place)
    except DataError:  # whoever reads the set says so
        return False
    return any(Path(os.path.realpath(picture)) == target for picture in pictures)


def _listed(content: DataYaml, key: str) -> Listed:
    found: list[Path] = []
    ignored: list[str] = []
    folders: list[Path] = []
    unread: list[str] = []
    for entry in content.entries[key]:
        place = _resolve(content, key, entry)
        if os.path.isdir(place):
            pictures, others = _within(place)
            found += pictures
            unread += others
            folders.append(place)
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
    return Listed(tuple(sorted(found, key=str)), tuple(ignored), tuple(folders), tuple(unread))


def _resolve(content: DataYaml, key: str, entry: str) -> Path:
    """A folder or list file; links are followed first, as by Ultralytics, so that labels lie beside their target."""
    try:
        place = os.path.realpath(content.root / entry)
        if not os.path.exists(place) and entry.startswith("../"):  # exported by a tool that counts from another folder
            place = os.path.realpath(content.root / entry[3:])
    except ValueError as error:  # a zero byte, or half of a surrogate pair
        raise DataError(f"{content.file}: `{key}: {entry!r}` cannot be a path: {error}") from error
    return Path(place)


def _within(folder: Path) -> tuple[list[Path], list[str]]:
    """The pictures in a folder and below, as Ultralytics finds them, and the files of other picture formats."""
    names = glob.glob(os.path.join(glob.escape(str(folder)), "**", "*.*"), recursive=True)  # nothing hidden
    pictures = [Path(name) for name in names if _is_picture(name)]
    missing = next((picture for picture in pictures if not os.path.isfile(picture)), None)
    if missing is not None:
        raise DataError(
            f"{missing} has a picture's name and is no file that can be read, but a folder, a pipe or a link to "
            "nothing; rename it, or remove it"
        )
    return pictures, [name for name in names if _suffix(name) in _other_suffixes()]


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
    here = [_listed_path(file, line) for line in lines if _is_picture(line)]
    missing = next((picture for picture in here if not os.path.isfile(picture)), None)
    if missing is not None:
        hint = "; write its folders with / in place of \\" if "\\" in str(missing) else ""
        raise DataError(f"{file} lists a picture that does not exist: {missing.absolute()}{hint}")
    return [picture.absolute() for picture in here], [line for line in lines if not _is_picture(line)]


def _listed_path(file: Path, line: str) -> Path:
    if line.startswith("./"):
        return Path(f"{file.parent}{os.sep}{line[2:]}")
    path = Path(line)
    if label_path(path).absolute() != label_path(path.absolute()):
        raise DataError(
            f"{file}: the line {line!r} begins with the folder `images`, and Ultralytics looks for the labels of such "
            "a picture beside it; begin the lines with ./ (the folder of this file) or with /"
        )
    return path


def _is_picture(name: str) -> bool:
    return _suffix(name) in _suffixes()


def _suffix(name: str) -> str:
    return name.rpartition(".")[-1].lower()


@cache
def _suffixes() -> frozenset[str]:
    return frozenset(ultralytics_data().IMG_FORMATS)


@cache
def _other_suffixes() -> frozenset[str]:
    """Of pictures, by Pillow's table, and not read by Ultralytics."""
    from PIL import Image

    return frozenset(suffix.lstrip(".") for suffix in Image.registered_extensions()) - _suffixes()
