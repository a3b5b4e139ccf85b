"""A YAML file as plain data that remembers its lines, so that every later error can name one.

Stricter than YAML: a key given twice is an error, where PyYAML silently keeps the second.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nas.errors import GhostnasError

Location = tuple[str | int, ...]

# A search-space file is four levels deep (stages, P3, width, choice); more is a mistake or an alias bomb.
_MAX_DEPTH = 6

_PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule.

    Attributes:
        location: Keys and list indices from the top of the file to the value.
        text: The rule, the value and what to do.
        on_key: Whether the line of the key is meant rather than that of the value (a key that is unknown).
    """

    location: Location
    text: str
    on_key: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file.

    Attributes:
        data: Its data; every key is text.
        lines: The line, from 1, of each value.
        texts: Each scalar as it is written, without quotes: `no` is a text whose value is False.
        problems: The keys that stand there twice.
    """

    data: Any
    lines: dict[Location, int]
    texts: dict[Location, str]
    problems: tuple[Problem, ...]

    def line(self, location: Location) -> int:
        """The line of a value, or of the nearest thing around it that is in the file."""
        while location not in self.lines and location:
            location = location[:-1]
        return self.lines.get(location, 1)


class NotYaml(ValueError):
    """The text is not YAML; carries the line, from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


class _Reader:
    """Walks the node tree once; PyYAML's own constructor turns scalars into values."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self._loader = loader
        self.lines: dict[Location, int] = {}
        self.texts: dict[Location, str] = {}
        self.problems: list[Problem] = []

    def read(self, node: yaml.Node, location: Location) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(location, line)
        if len(location) > _MAX_DEPTH:
            raise NotYaml(line, "is nested deeper than any search space")
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _PLAIN_TAGS:
            raise NotYaml(
                line, f"has the tag {node.tag!r:.60}, and only plain lists and mappings are read; leave it out"
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*location, index)) for index, child in enumerate(node.value)]
        self.texts[location] = str(node.value)
        try:
            return self._loader.construct_object(node, deep=True)
        except ValueError as error:  # a date that is none, or a number of too many digits
            raise NotYaml(line, f"is not YAML: {' '.join(str(error).split())}") from error

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise NotYaml(key_node.start_mark.line + 1, "has a list or a mapping where a key should stand")
            key, line = str(key_node.value), key_node.start_mark.line + 1
            here = (*location, key)
            if key in seen:
                text = f"stands twice, in lines {seen[key]} and {line}; keep one"
                self.problems.append(Problem(here, text, on_key=True))
            seen.setdefault(key, line)
        self._loader.flatten_mapping(node)  # resolves `<<: *anchor`
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            here = (*location, key)
            self.lines[here] = key_node.start_mark.line + 1
            data[key] = self.read(value_node, here)
        return data


def parse(text: str) -> Document:
    """Parse YAML text.

    Raises:
        NotYaml: The text cannot be read as one YAML document.
    """
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise NotYaml(1, "is empty")
        reader = _Reader(loader)
        data = reader.read(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(mark.line + 1 if mark else 1, f"is not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, NotYaml):
            raise
        raise NotYaml(1, f"is not YAML: {' '.join(str(error).split())}") from error
    finally:
        if loader is not None:
            loader.dispose()
    return Document(data, reader.lines, reader.texts, tuple(reader.problems))


def read_document(path: Path, kind: str, keys: str, error: type[GhostnasError]) -> Document:
    """Read a YAML file that must hold keys.

    Args:
        path: The file.
        kind: What it should be, such as `a device profile`.
        keys: Keys that such a file has, to show when it has none.
        error: What to raise.

    Raises:
        GhostnasError: Of the class `error`: it cannot be read, is not YAML, or holds no keys.
    """
    try:
        document = parse(path.read_text(encoding="utf-8-sig"))
    except NotYaml as found:
        raise error(f"{path}:{found.line}: the file {found}") from found
    except UnicodeDecodeError as found:
        raise error(f"{path}: the file is not UTF-8 text, so not {kind}") from found
    except OSError as found:
        raise error(f"{path}: cannot read {kind}: {found.strerror or found}") from found
    if not isinstance(document.data, dict):
        raise error(f"{path}:1: {kind} holds keys such as {keys}; got {document.data!r:.60}")
    return document
