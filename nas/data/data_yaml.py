"""The data YAML: its keys, the class names, the shape of key points, and the folder that its entries start from.

Follows Ultralytics' reading of the file without its side effects: nothing is downloaded, a `download:` entry is never
carried out, and no font is fetched. Stricter than Ultralytics where a value would become another one without a word.
"""

import math
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nas.errors import DataError
from nas.util.yaml_lines import Document, read_document

_KEYS = "`train:`, `val:` and `names:`"
_MOST_CLASSES = 100_000


@dataclass(frozen=True, slots=True)
class KeyPoints:
    """The shape of the key points that a row of a pose data set has after its box; they are not used.

    Attributes:
        count: Points a row.
        values: Numbers a point, 2 or 3.
    """

    count: int
    values: int


@dataclass(frozen=True, slots=True)
class DataYaml:
    """What a data YAML says.

    Attributes:
        file: The YAML.
        names: Class names.
        root: The folder that `entries` start from.
        entries: Each split's folders and list files, as written; `test` is empty where the YAML has none.
        key_points: Of a pose data set, None otherwise.
        downloads: Whether it has a `download:` entry.
    """

    file: Path
    names: tuple[str, ...]
    root: Path
    entries: dict[str, tuple[str, ...]]
    key_points: KeyPoints | None
    downloads: bool


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
    raise DataError(
        f"there is no data YAML {data}; give the path of an Ultralytics data YAML (see docs/guides/own-data.md)"
    )


def read_yaml(file: Path) -> DataYaml:
    """Read a data YAML.

    Raises:
        DataError: It cannot be read, lacks a key, or has a value that breaks a rule.
    """
    document = read_document(file, "a data YAML", _KEYS, DataError)
    if document.problems:
        problem = document.problems[0]
        key = ".".join(map(str, problem.location))
        raise DataError(f"{file}:{document.line(problem.location)}: the key `{key}:` {problem.text}")
    content = document.data
    if "val" not in content and "validation" in content:
        content["val"] = content["validation"]
    for key in ("train", "val"):
        if not content.get(key):
            raise DataError(f"{file}: the key `{key}:` is missing; a data YAML needs {_KEYS}")
    if content.get("channels") not in (None, 3):
        raise DataError(
            f"{file}: `channels:` must be 3, since pictures are read in colour, got {content['channels']!r}; leave it "
            "out, and grey pictures are read as colour ones"
        )
    entries = {key: _entries(file, key, content.get(key)) for key in ("train", "val", "test")}
    return DataYaml(
        file=file,
        names=_names(file, document),
        root=_root(file, content.get("path"), entries["train"]),
        entries=entries,
        key_points=_key_points(file, content.get("kpt_shape")),
        downloads=bool(content.get("download")),
    )


def _entries(file: Path, key: str, given: Any) -> tuple[str, ...]:
    if not given:
        return ()
    entries = given if isinstance(given, list) else [given]
    if not all(isinstance(entry, str) for entry in entries):
        raise DataError(f"{file}: `{key}:` must be a folder, a list file or a list of them, got {given!r}")
    return tuple(entries)


def _names(file: Path, document: Document) -> tuple[str, ...]:
    names, nc = document.data.get("names"), _class_count(file, document.data.get("nc"))
    if nc is not None and nc > _MOST_CLASSES:
        raise DataError(f"{file}: `nc:` must be at most {_MOST_CLASSES}, got {nc}")
    if names is None and nc is not None and nc > 0:
        return tuple(f"class_{index}" for index in range(nc))
    if isinstance(names, list):
        texts = {index: _name(file, document, ("names", index)) for index in range(len(names))}
    elif isinstance(names, dict) and names:
        try:
            texts = {int(key): _name(file, document, ("names", key)) for key in names}
        except ValueError:
            raise DataError(f"{file}: the keys under `names:` must be class numbers, got {list(names)[:5]}") from None
    else:
        texts = {}
    if not texts:
        raise DataError(f"{file}: the key `names:` must list the class names, got {names!r}")
    if sorted(texts) != list(range(len(texts))) or len(texts) != len(names):
        raise DataError(
            f"{file}: `names:` must number the {len(names)} classes from 0 to {len(names) - 1}, got {list(names)[:8]}"
        )
    if nc is not None and nc != len(texts):
        raise DataError(f"{file}: `nc: {nc}` and the {len(texts)} `names:` must agree")
    return tuple(texts[index] for index in range(len(texts)))


def _name(file: Path, document: Document, location: tuple[str | int, ...]) -> str:
    """One class name; YAML turns a bare `no` into False, `010` into 8 and `null` into nothing."""
    value: Any = document.data["names"][location[1]]
    text, line = document.texts.get(location), document.line(location)
    if text is None:
        raise DataError(f"{file}:{line}: a class name must be a text, got {value!r}")
    if str(value) != text:
        raise DataError(
            f"{file}:{line}: the class name {text or 'that is left out'} would be read as {value!r}; write it in "
            f'quotes: "{text or "name"}"'
        )
    try:  # an escaped pair of surrogates, as JSON writes an emoji, is one letter
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise DataError(f"{file}:{line}: the class name {text!r} is no text: half of a surrogate pair") from None


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


def _key_points(file: Path, given: Any) -> KeyPoints | None:
    if given is None:
        return None
    whole = isinstance(given, list) and len(given) == 2 and all(type(value) is int for value in given)
    if not whole or given[0] < 1 or given[1] not in (2, 3):
        raise DataError(
            f"{file}: `kpt_shape:` must be the number of key points and the 2 or 3 numbers of each, such as [17, 3], "
            f"got {given!r}"
        )
    return KeyPoints(*given)


def _root(file: Path, given: Any, train: tuple[str, ...]) -> Path:
    """The folder that `train:` and `val:` are relative to.

    Raises:
        DataError: `path:` is no text, or means two folders that both hold training pictures.
    """
    if not given:
        return file.parent
    if not isinstance(given, str):
        raise DataError(f"{file}: `path:` must be a folder, got {given!r}; write it in quotes")
    path = Path(os.path.expanduser(given))
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
    holding = [place for place in places if train and os.path.exists(place / train[0])]
    if len({os.path.realpath(place) for place in holding}) > 1:
        raise DataError(
            f"{file}: `path: {given}` is a folder beside the YAML, {holding[0]}, and also {holding[1]}, and both hold "
            f"`train: {train[0]}`; write the whole path"
        )
    return next(iter(holding), next((place for place in places if os.path.isdir(place)), places[0]))
