"""An architecture as one value a dimension (`imgsz`, `P3.width`, ...) and back."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nas.architecture import LEVELS, Architecture, Stage

STAGE_FIELDS = ("block", "width", "depth", "expansion", "dfc_kernel", "dfc_pool", "se", "downsample")
_GHOST_ONLY = ("expansion", "dfc_kernel", "dfc_pool", "se")


def _inert(field: str, stage: Stage) -> bool:
    """Whether a stage's choice has no effect on the network."""
    return (stage.block == "c3k2" and field in _GHOST_ONLY) or (stage.dfc_kernel == 0 and field == "dfc_pool")


def architecture(values: Mapping[str, Any]) -> Architecture:
    """The canonical architecture with these values."""
    p2, p3, p4, p5 = (Stage(**{field: values[f"{level}.{field}"] for field in STAGE_FIELDS}) for level in LEVELS)
    shared = {name: value for name, value in values.items() if "." not in name}
    return Architecture(**shared, stages=(p2, p3, p4, p5)).canonical()


def values_of(arch: Architecture) -> dict[str, Any]:
    """The value of every dimension; None where the dimension has no effect on this architecture."""
    arch = arch.canonical()
    values: dict[str, Any] = {name: value for name, value in arch.to_dict().items() if name != "stages"}
    for level, stage in zip(LEVELS, arch.stages, strict=True):
        for field in STAGE_FIELDS:
            values[f"{level}.{field}"] = None if _inert(field, stage) else getattr(stage, field)
    return values


def stage_size(choices: Mapping[str, Sequence[Any]], level: str) -> int:
    """How many different stages the choices of one level make."""

    def count(*fields: str) -> int:
        return math.prod(len(choices[f"{level}.{field}"]) for field in fields)

    attentions = sum(count("dfc_pool") if kernel else 1 for kernel in choices[f"{level}.dfc_kernel"])
    ghost = count("expansion", "se") * attentions
    blocks = sum(ghost if block == "ghost" else 1 for block in choices[f"{level}.block"])
    return count("width", "depth", "downsample") * blocks
