"""The input size that a model YAML states: read and checked in one place."""

from pathlib import Path
from typing import Any

import yaml

from nas.errors import ModelError

STRIDE = 32
"""The coarsest stride of a detector: the side of a picture is a multiple of it."""

LARGEST = 8192
"""The largest side of a picture in pixels."""

RULE = f"a whole number of pixels such as 640, a multiple of {STRIDE} from {STRIDE} to {LARGEST}"


def fits(size: object) -> bool:
    """Whether a value is the side of a picture that a detector takes."""
    return type(size) is int and STRIDE <= size <= LARGEST and size % STRIDE == 0


def yaml_imgsz(path: Path) -> int | None:
    """The square input size in pixels that a model YAML states as `imgsz`; None where it states none.

    Raises:
        ModelError: It cannot be read, is no model YAML, or its `imgsz` is no size; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content, lines = yaml.safe_load(text), _lines(text)
    except (OSError, UnicodeDecodeError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ModelError(f"{path} is not a readable YAML file: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not {"backbone", "head"} <= content.keys():
        raise ModelError(f"{path} is no model YAML: it must have the keys nc, backbone and head")
    if len(lines) > 1:
        raise ModelError(f"{path}:{lines[1]}: imgsz stands there already, in line {lines[0]}; keep one")
    size = content.get("imgsz")
    if not lines or size is None:
        return None
    if not fits(size):
        of_text = ", which is text: write it without quotes" if isinstance(size, str) and size.isdigit() else ""
        raise ModelError(f"{path}:{lines[0]}: imgsz must be {RULE}; got {size!r:.60}{of_text}")
    return int(size)


def _lines(text: str) -> list[int]:
    """The lines, from 1, in which the key `imgsz` stands."""
    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        return []
    return [key.start_mark.line + 1 for key, _ in node.value if key.value == "imgsz"]
