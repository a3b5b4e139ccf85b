"""YOLO families as people scale them: width and depth as factors on a published scale."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from nas.errors import ModelError
from nas.model import build, find_checkpoint
from nas.util import ultralytics_env

ultralytics_env.prepare()

from ultralytics.nn.tasks import yaml_model_load  # noqa: E402

FAMILIES = ("yolo11", "yolov8", "yolo26")
"""The first is the source's."""

WIDTHS = tuple(sixteenths / 16 for sixteenths in range(32, 3, -1))
"""Factors on the widths, the widest first; finer steps vanish in rounding to multiples of 8."""

DEPTHS = (1.0, 2.0)
"""Factors on the repeats."""


def scaled(family: str, scale: str, depth: float, width: float, nc: int) -> str:
    """A family's model YAML with other factors.

    Args:
        family: One of `FAMILIES`.
        scale: The published scale that the factors start from, such as `n`.
        depth: Factor on its depth.
        width: Factor on its width.
        nc: Number of classes.
    """
    config: dict[str, Any] = yaml_model_load(f"{family}{scale}.yaml")
    deep, wide, most = config["scales"][scale]
    del config["yaml_file"]
    config |= {"nc": nc, "scale": scale, "scales": {scale: [deep * depth, wide * width, most]}}
    text: str = yaml.safe_dump(config, sort_keys=False)
    return text


def key_of(family: str, scale: str, depth: float, width: float, imgsz: int) -> str:
    """What tables call a scaled design, such as `yolo11n width 10/16 depth 1 128 px`."""
    return f"{family}{scale} width {16 * width:g}/16 depth {depth:g} {imgsz} px"


@cache
def buildable(family: str, scale: str, depth: float) -> tuple[float, ...]:
    """The widths at which a family can be built: attention needs whole heads."""
    return tuple(width for width in WIDTHS if _builds(scaled(family, scale, depth, width, 1)))


def at_hand(source: Path, scale: str) -> Iterator[tuple[str, Path]]:
    """The families whose weights are here, with their checkpoints; nothing is downloaded.

    Args:
        source: The checkpoint of the first family; others are looked for beside it, too.
        scale: Its scale.
    """
    first, *others = FAMILIES
    yield first, source
    for family in others:
        name = Path(f"{family}{scale}.pt")
        for place in (source.parent / name, name):
            try:
                yield family, find_checkpoint(place).absolute()
                break
            except ModelError:
                continue


def _builds(text: str) -> bool:
    try:
        build(text, seed=0)
    except ModelError:
        return False
    return True
