"""The data YAML: where the pictures lie and what the classes are called.

Follows Ultralytics' reading of the file (`path`, `train`, `val`, `names`, `nc`; a folder, a list file or a
list of them) without its side effects: nothing is downloaded, a `download:` entry is never carried out, no
font is fetched, and no `labels.cache` is written beside the user's files.
"""

import glob
import math
import os
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from nas import offline
from nas.errors import DataError


@dataclass(frozen=True, slots=True)
class Source:
    """What a data YAML says.

    Attributes:
        file: The YAML.
        names: Class names.
        train: Training pictures, sorted.
        val: Validation pictures, sorted.
    """

    file: Path
    names: tuple[str, ...]
    train: tuple[Path, ...]
    val: tuple[Path, ...]


def find_yaml(data: str) -> Path:
    """The data YAML that a user named: a file, or the name of one that comes with Ultralytics (`coco8.yaml`).

    Args:
        data: What was given as `--data`.

    Raises:
        DataError: There is no such file.
    """
    # Here and below `os.path` is asked: `Path` raises where no such user or no such long name can be.
    path = Path(os.path.expanduser(data))
    if os.path.isfile(path):
        return path.absolute()
    if os.path.isdir(path):
        raise DataError(f"{data} is a folder; give the data YAML in it, for example {path / 'data.yaml'}")
    spec = find_spec("ultralytics")
    if spec is not None and spec.origin is not None and path.name == data:
        stock = Path(spec.origin).parent / "cfg" / "datasets" / data
        if os.path.isfile(stock):
            return stock
    raise DataError(f"there is no data YAML {data}; give the path of an Ultralytics data YAML (see docs/own-data.md)")


def read_source(file: Path) -> Source:
    """Read a data YAML and list its pictures.

    Args:
        file: The YAML.

    Raises:
        DataError: The YAML cannot be read, lacks a key, or names pictures that are not there.
    """
    content = _parse(file)
    if "val" not in content and "validation" in content:
        content["val"] = content["validation"]
    for key in ("train", "val"):
        if not content.get(key):
            raise DataError(f"{file}: the key `{key}:` is missing; a data YAML needs `train:`, `val:` and `names:`")
    if content.get("channels") not in (None, 3):
        raise DataError(
            f"{file}: `channels:` must be 3, since pictures are read in colour, got {content['channels']!r}; leave it "
            "out, and grey pictures are read as colour ones"
        )
    names = _names(file, content)
    root = _root(file, content)
    return Source(
        file=file,
        names=names,
        train=_pictures(file, "train", content["train"], root),
        val=_pictures(file, "val", content["val"], root),
    )


def _parse(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the data YAML {file}: {error}") from error
    except yaml.YAMLError as error:
        raise DataError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise DataError(f"{file} must hold keys such as `train:`, `val:` and `names:`, got {type(content).__name__}")
    return content


def _names(file: Path, content: dict[str, Any]) -> tuple[str, ...]:
    names, nc = content.get("names"), _class_count(file, content.get("nc"))
    if names is None and nc is not None and nc > 0:
        return tuple(f"class_{index}" for index in range(nc))
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise DataError(f"{file}: the key `names:` must list the class names, got {names!r}")
    try:
        by_index = {int(index): str(name) for index, name in names.items()}
    except (TypeError, ValueError):
        raise DataError(f"{file}: the keys under `names:` must be class numbers, got {list(names)[:5]}") from None
    if sorted(by_index) != list(range(len(by_index))):
        raise DataError(
            f"{file}: `names:` must number the {len(by_index)} classes from 0 to {len(by_index) - 1}, "
            f"got {sorted(by_index)[:8]}"
        )
    if nc is not None and nc != len(by_index):
        raise DataError(f"{file}: `nc: {nc}` and the {len(by_index)} `names:` must agree")
    return tuple(by_index[index] for index in range(len(by_index)))


def _class_count(file: Path, given: Any) -> int | None:
    """The value of `nc:`; like Ultralytics this takes "2" and 2.0 for 2."""
    if given is None:
        return None
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = math.nan
    if not number.is_integer():
        raise DataError(f"{file}: `nc:` must be the number of classes, got {given!r}")
    return int(number)


def _root(file: Path, content: dict[str, Any]) -> Path:
    """The folder that `train:` and `val:` are relative to."""
    given = content.get("path")
    if not given:
        return file.parent
    path = Path(os.path.expanduser(str(given)))
    if path.is_absolute():
        return path
    # Ultralytics takes `path:` from the current folder, else from its datasets folder; beside the YAML is the
    # use that needs neither.
    places = [
        file.parent / path,
        Path.cwd() / path,
        Path.cwd() / "datasets" / path,
        Path.cwd().parent / "datasets" / path,
    ]
    return next((place for place in places if os.path.isdir(place)), places[0])


def _pictures(file: Path, key: str, entries: Any, root: Path) -> tuple[Path, ...]:
    if not isinstance(entries, str | list):
        raise DataError(f"{file}: `{key}:` must be a folder, a list file or a list of them, got {entries!r}")
    found: list[Path] = []
    for entry in entries if isinstance(entries, list) else [entries]:
        place = _resolve(root, str(entry))
        if os.path.isdir(place):
            found += _within(place)
        elif os.path.isfile(place):
            found += _listed(place)
        else:
            hint = " (its `download:` entry is never carried out: fetch the data first)" if _downloads(file) else ""
            raise DataError(f"{file}: `{key}: {entry}` does not exist, looked in {place}{hint}")
    if not found:
        raise DataError(f"{file}: `{key}: {entries}` holds no images (suffixes: {', '.join(sorted(_suffixes()))})")
    return tuple(sorted(found))


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


def _listed(file: Path) -> list[Path]:
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read {file} as a list of pictures, UTF-8 text with one path a line: {error}; name such a list "
            "or a folder"
        ) from error
    here = [file.parent / line[2:] if line.startswith("./") else Path(line) for line in lines if _is_picture(line)]
    missing = next((picture for picture in here if not os.path.isfile(picture)), None)
    if missing is not None:
        raise DataError(f"{file} lists a picture that does not exist: {missing.absolute()}")
    return [picture.absolute() for picture in here]


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in _suffixes()


@cache
def _suffixes() -> frozenset[str]:
    offline.prepare()
    from ultralytics.data.utils import IMG_FORMATS

    return frozenset(f".{kind}" for kind in IMG_FORMATS)


def _downloads(file: Path) -> bool:
    return bool(_parse(file).get("download"))
