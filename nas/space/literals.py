"""The shipped literals: known designs, each a model YAML under `search_spaces/literals/` that anyone can read.

A literal that names its canonical key in a comment, and is what that key builds, is a point of every space that holds
those choices.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from nas.architecture import Architecture, from_key, to_yaml
from nas.errors import ModelError
from nas.space.space import SearchSpace, spaces_folder

_TITLE = re.compile(r"# [\w.-]+: (?P<text>.+)")
_KEY = re.compile(r"^# key: (?P<key>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Literal:
    """A known design.

    Attributes:
        name: Its file's stem.
        path: Its model YAML.
        description: What its first line says.
        architecture: The design as a value; None where no architecture describes it.
    """

    name: str
    path: Path
    description: str
    architecture: Architecture | None


def read_literal(path: Path) -> Literal:
    """A literal from its file.

    Raises:
        ModelError: The file is no model YAML, or its rows are not those of the key it names.
    """
    try:
        text = path.read_text(encoding="utf-8")
        config = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"cannot read the literal {path}: {' '.join(str(error).split())}") from error
    if not isinstance(config, dict) or not {"nc", "backbone", "head"} <= config.keys():
        raise ModelError(f"{path} is no model YAML: it must have the keys nc, backbone and head")
    title, key = _TITLE.match(text), _KEY.search(text)
    architecture = from_key(key["key"]) if key else None
    if architecture is not None and yaml.safe_load(to_yaml(architecture, config["nc"])) != config:
        raise ModelError(f"{path}: the rows are not those of its key; leave the `# key:` line out of an edited file")
    return Literal(path.stem, path, title["text"] if title else "", architecture)


def shipped_literals() -> dict[str, Literal]:
    """Every literal that comes with ghostnas, by name."""
    return {path.stem: read_literal(path) for path in sorted((spaces_folder() / "literals").glob("*.yaml"))}


def points(space: SearchSpace, literals: Iterable[Literal]) -> dict[str, tuple[Architecture, ...]]:
    """The literals that lie in a space, by name: at each of its input sizes, the largest first."""
    found = {}
    for literal in literals:
        if literal.architecture is not None:
            sizes = sorted(space.choices["imgsz"], reverse=True)
            designs = [replace(literal.architecture, imgsz=size) for size in sizes]
            inside = tuple(design for design in designs if space.encode(design) is not None)
            if inside:
                found[literal.name] = inside
    return found
