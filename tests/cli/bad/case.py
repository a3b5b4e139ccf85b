"""One bad input: what lies in the working folder, the command line, and what the message must say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Prepare = Callable[[Path], None]
"""Writes the input into the working folder."""


@dataclass(frozen=True, slots=True)
class Case:
    """One bad input.

    Attributes:
        name: Names the test; unique.
        words: The command line after `ghostnas`.
        says: A part of the message: the place, the rule or the value.
        prepare: Writes the input; the command runs in the same folder.
    """

    name: str
    words: Sequence[str]
    says: str
    prepare: Prepare = lambda folder: None


def text(name: str, content: str | bytes) -> Prepare:
    """Write one file, its folders included.

    Args:
        name: The path of the file, from the working folder.
        content: What is in it.
    """
    data = content.encode() if isinstance(content, str) else content

    def write(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return write


def both(*steps: Prepare) -> Prepare:
    """Several steps, one after the other."""

    def prepare(folder: Path) -> None:
        for step in steps:
            step(folder)

    return prepare
