"""The architecture that a canonical key names: the inverse of `Architecture.key`."""

import re
from typing import Any, cast, get_args

from nas.architecture.architecture import (
    LEVELS,
    Activation,
    Architecture,
    Block,
    C3k,
    Downsample,
    Head,
    Levels,
    Neck,
    Stage,
)
from nas.errors import ModelError


def _one_of(names: Any) -> str:
    return "|".join(sorted(map(re.escape, get_args(names)), key=len, reverse=True))


_STAGE = re.compile(
    rf"(?P<block>{_one_of(Block)})(?P<width>\d+)x(?P<depth>\d+)"
    r"(-e(?P<expansion>[\d.]+))?(-r(?P<ratio>\d+))?(-k(?P<dfc_kernel>\d+)p(?P<dfc_pool>\d+))?"
    rf"(-k(?P<kernel>\d+))?(?P<se>-se)?-d(?P<downsample>{_one_of(Downsample)})"
)
_WHOLE = re.compile(
    rf"i(?P<imgsz>\d+) (?P<activation>{_one_of(Activation)}) stem(?P<stem_width>\d+) "
    + " ".join(rf"{level}=(?P<{level}>\S+)" for level in LEVELS)
    + r" neck(?P<neck_width>\d+) box(?P<box_width>\d+) cls(?P<cls_width>\d+) reg(?P<reg_max>\d+)"
    + rf" c3k-(?P<c3k>{_one_of(C3k)})( neck-(?P<neck>{_one_of(Neck)}))?( head-(?P<head>{_one_of(Head)}))?"
    + rf"(?P<end2end> end2end)?( levels-(?P<levels>{_one_of(Levels)}))?"
    + r"(?P<sppf> no-sppf)?(?P<c2psa> no-c2psa)?"
)
_TEXTS = ("activation", "block", "downsample", "c3k", "neck", "head", "levels")


def from_key(key: str) -> Architecture:
    """The canonical architecture of a key.

    Raises:
        ModelError: The text is not the key of any architecture.
    """
    found = _WHOLE.fullmatch(key)
    stages = [_STAGE.fullmatch(found[level]) for level in LEVELS] if found else [None]
    if found is None or None in stages:
        raise ModelError(f"not the key of an architecture: {key!r}")
    shared = {name: text for name, text in found.groupdict().items() if name not in LEVELS}
    end2end, sppf, c2psa = (shared.pop(name) for name in ("end2end", "sppf", "c2psa"))
    p2, p3, p4, p5 = (_stage(cast("re.Match[str]", stage)) for stage in stages)
    arch = Architecture(
        **_values(shared),
        stages=(p2, p3, p4, p5),
        end2end=end2end is not None,
        sppf=sppf is None,
        c2psa=c2psa is None,
    )
    if arch.key != key:
        raise ModelError(f"not a canonical key: {key!r}; the same network is {arch.key!r}")
    return arch


def _stage(found: "re.Match[str]") -> Stage:
    texts = found.groupdict()
    switched = texts.pop("se") is not None
    return Stage(**_values(texts), se=switched)


def _values(texts: dict[str, Any]) -> dict[str, Any]:
    """Texts as they are, numbers as numbers; what is missing is left to its default."""
    return {
        name: text if name in _TEXTS else float(text) if name == "expansion" else int(text)
        for name, text in texts.items()
        if text is not None
    }
