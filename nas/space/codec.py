"""An architecture as one value a dimension (`imgsz`, `P3.width`, ...) and back."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nas.architecture import BLOCK_CHOICES, CHOICES_OF, LEVELS, Architecture, Stage, downsampler, same_block

STAGE_FIELDS = ("block", "width", "depth", *BLOCK_CHOICES, "downsample")


def architecture(values: Mapping[str, Any]) -> Architecture:
    """The canonical architecture with these values."""
    p2, p3, p4, p5 = (Stage(**{field: values[f"{level}.{field}"] for field in STAGE_FIELDS}) for level in LEVELS)
    shared = {name: value for name, value in values.items() if "." not in name}
    return Architecture(**shared, stages=(p2, p3, p4, p5)).canonical()


def values_of(arch: Architecture) -> dict[str, Any]:
    """The value of every dimension; None where the dimension has no effect on this architecture."""
    arch = arch.canonical()
    values: dict[str, Any] = {name: value for name, value in arch.to_dict().items() if name != "stages"}
    if not arch.c3k_has_effect:
        values["c3k"] = None
    for level, stage in zip(LEVELS, arch.stages, strict=True):
        for field in STAGE_FIELDS:
            inert = field in BLOCK_CHOICES and not stage.has_effect(field)
            values[f"{level}.{field}"] = None if inert else getattr(stage, field)
    return values


def index_of(name: str, choices: Sequence[Any], values: Mapping[str, Any]) -> int | None:
    """The index of the first choice of a dimension that makes the network of these values; None when there is none."""
    value = values[name]
    if value is None:
        return 0
    level, _, field = name.rpartition(".")
    if field == "downsample":
        choices = [downsampler(values[f"{level}.block"], choice) for choice in choices]
    if field == "block":
        choices = [same_block(choice, bool(values[f"{level}.se"])) for choice in choices]
    return choices.index(value) if value in choices else None


def stage_size(choices: Mapping[str, Sequence[Any]], level: str) -> int:
    """How many different stages the choices of one level make."""

    def count(*fields: str) -> int:
        return math.prod(len(choices[f"{level}.{field}"]) for field in fields)

    def of(block: Any) -> int:
        own = CHOICES_OF[block]
        attentions = sum(count("dfc_pool") if kernel else 1 for kernel in choices[f"{level}.dfc_kernel"])
        downsamplers = {downsampler(block, wanted) for wanted in choices[f"{level}.downsample"]}
        others = count(*(field for field in own if field not in ("dfc_kernel", "dfc_pool")))
        if block == "mbconv" and "mobilenetv3" in choices[f"{level}.block"]:
            # Those without SE are counted there.
            others = others * sum(choices[f"{level}.se"]) // len(choices[f"{level}.se"])
        return len(downsamplers) * others * (attentions if "dfc_kernel" in own else 1)

    return count("width", "depth") * sum(of(block) for block in choices[f"{level}.block"])
