"""Rows of an Ultralytics model YAML, and how channels are rounded in them."""

import math

Row = tuple[str, str]
"""The text of a row, and a note on it."""


def row(module: str, args: str, source: str = "-1", repeats: int = 1) -> str:
    """`[from, repeats, module, [arguments]]`."""
    return f"[{source}, {repeats}, {module}, [{args}]]"


def multiple_of_8(value: float) -> int:
    """The nearest multiple of 8, at least 8."""
    return max(8, math.floor(value / 8 + 0.5) * 8)
