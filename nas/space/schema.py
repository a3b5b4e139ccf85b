"""The keys of a search-space file and the rule of each; docs/reference/search-space.md explains them one by one.

Every key takes one value or a list of choices. A broken rule raises `Broken`, which `nas.space.file` turns
into a line that names file, line, key, rule and value.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from nas.architecture import LEVELS, Activation, Block, C3k, Downsample, Head, Levels, Neck


class Broken(ValueError):
    """A rule that a value breaks, and optionally what to write instead."""

    def __init__(self, rule: str, hint: str = "") -> None:
        super().__init__(rule)
        self.rule, self.hint = rule, hint


def _as_choices(value: Any) -> Any:
    if isinstance(value, list | tuple):
        if not value:
            raise Broken("needs at least one choice")
        return tuple(value)
    return (value,)


def _distinct(choices: tuple[Any, ...]) -> tuple[Any, ...]:
    for index, choice in enumerate(choices):
        if choice in choices[:index]:
            raise Broken(
                f"must not list a choice twice ({as_yaml(choice)})",
                f"write {as_yaml(list(dict.fromkeys(choices)))}",
            )
    return choices


def _increasing(choices: tuple[float, ...]) -> tuple[float, ...]:
    _distinct(choices)
    if list(choices) != sorted(choices):
        raise Broken("must list its choices in increasing order", f"write {as_yaml(sorted(choices))}")
    return choices


def as_yaml(value: Any) -> str:
    """A value as one would write it in the file."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(as_yaml(item) for item in value)}]"
    return str(value)


def _multiple(of: int) -> Callable[[int], int]:
    def check(value: int) -> int:
        if value < of or value % of:
            below = max(value // of, 1) * of
            near = f"{below} or {below + of}" if value > of else f"{of}"
            raise Broken(f"must be a multiple of {of}", f"the nearest is {near}")
        return value

    return check


def _at_most(most: int, why: str) -> Callable[[int], int]:
    def check(value: int) -> int:
        if value > most:
            raise Broken(f"must be {most} or less, {why}")
        return value

    return check


def _at_least(least: int) -> Callable[[int], int]:
    def check(value: int) -> int:
        if value < least:
            raise Broken(f"must be {least} or more")
        return value

    return check


def _odd_or_off(value: int) -> int:
    if value < 0 or (value > 0 and value % 2 == 0):
        near = f"write {value - 1} or {value + 1}" if value > 0 else ""
        raise Broken("must be odd, or 0 to switch DFC attention off", near)
    return value


def _odd(value: int) -> int:
    if value < 3 or value % 2 == 0:
        near = f"write {value - 1} or {value + 1}" if value > 3 else "write 3"
        raise Broken("must be odd and 3 or more", near)
    return value


def _expansion(value: float) -> float:
    # Two decimals, because the canonical key prints them: finer choices would be told apart by nothing.
    if not 0 < value <= 16 or round(value, 2) != value:
        raise Broken("must be above 0, at most 16, with two decimals at most")
    return value


def _plain_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value):
        raise Broken("must consist of letters, digits, dots, dashes and underscores")
    return value


def attention_fits(width: int) -> bool:
    """Whether C2PSA can split half of P5's channels evenly among its heads (one per 64 channels)."""
    hidden = width // 2
    return hidden % max(hidden // 64, 1) == 0


def _c2psa(width: int) -> int:
    if not attention_fits(width):
        fitting = [near for near in range(width - 128, width + 129, 8) if attention_fits(near)]
        near = sorted(fitting, key=lambda fits: abs(fits - width))[:2]
        heads = width // 128
        raise Broken(
            f"must give C2PSA heads of equal size (half of the width divided by {heads} heads)",
            f"the nearest are {' and '.join(map(str, sorted(near)))}",
        )
    return width


_Width = Annotated[int, AfterValidator(_multiple(8))]
_Count = Annotated[int, AfterValidator(_at_least(1))]
_Ratio = Annotated[int, AfterValidator(_at_least(2))]
_Capped = AfterValidator(_at_most(512, "the neck's cap on every level"))
_Sorted = AfterValidator(_increasing)
_Distinct = AfterValidator(_distinct)
_Many = BeforeValidator(_as_choices)

Widths = Annotated[tuple[_Width, ...], _Sorted, _Many]
Counts = Annotated[tuple[_Count, ...], _Sorted, _Many]
Sizes = Annotated[tuple[Annotated[int, AfterValidator(_multiple(32))], ...], _Sorted, _Many]
Ratios = Annotated[tuple[_Ratio, ...], _Sorted, _Many]
Kernels = Annotated[tuple[Annotated[int, AfterValidator(_odd)], ...], _Sorted, _Many]
DFCKernels = Annotated[tuple[Annotated[int, AfterValidator(_odd_or_off)], ...], _Sorted, _Many]
Switch = Annotated[tuple[bool, ...], _Distinct, _Many]
Expansions = Annotated[tuple[Annotated[float, AfterValidator(_expansion)], ...], _Sorted, _Many]
NeckWidths = Annotated[tuple[Annotated[_Width, _Capped], ...], _Sorted, _Many]
P5Widths = Annotated[tuple[Annotated[_Width, AfterValidator(_c2psa)], ...], _Sorted, _Many]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class StageChoices(_Strict):
    """The choices of one backbone stage; see `nas.architecture.architecture.Stage` for what each does."""

    block: Annotated[tuple[Block, ...], _Distinct, _Many]
    width: Widths
    depth: Counts
    expansion: Expansions = (1.0,)
    ratio: Ratios = (2,)
    dfc_kernel: DFCKernels = (0,)
    dfc_pool: Counts = (1,)
    kernel: Kernels = (3,)
    se: Switch = (False,)
    downsample: Annotated[tuple[Downsample, ...], _Distinct, _Many] = ("conv",)


class LastStageChoices(StageChoices):
    """P5, whose width C2PSA splits among its attention heads."""

    width: P5Widths


class StagesChoices(_Strict):
    """The four stages of the backbone."""

    P2: StageChoices
    P3: StageChoices
    P4: StageChoices
    P5: LastStageChoices


class SpaceFile(_Strict):
    """The whole file; every field but the first two is a dimension (or four stages of them)."""

    name: Annotated[str, AfterValidator(_plain_name)] | None = None
    description: str = ""
    imgsz: Sizes
    activation: Annotated[tuple[Activation, ...], _Distinct, _Many]
    stem_width: Widths
    stages: StagesChoices
    neck_width: NeckWidths
    box_width: Widths
    cls_width: Widths
    reg_max: Counts
    c3k: Annotated[tuple[C3k, ...], _Distinct, _Many] = ("deep",)
    neck: Annotated[tuple[Neck, ...], _Distinct, _Many] = ("pan",)
    head: Annotated[tuple[Head, ...], _Distinct, _Many] = ("yolo11",)
    end2end: Switch = (False,)
    levels: Annotated[tuple[Levels, ...], _Distinct, _Many] = ("P3-P5",)
    sppf: Switch = (True,)
    c2psa: Switch = (True,)


def default(name: str) -> tuple[Any, ...]:
    """The choices of a dimension that a file leaves out.

    Args:
        name: `sppf` or `P3.ratio`, of a key that may be left out.
    """
    level, _, field = name.rpartition(".")
    found: tuple[Any, ...] = (StageChoices if level else SpaceFile).model_fields[field].default
    return found


def dimensions(file: SpaceFile) -> dict[str, tuple[Any, ...]]:
    """The choices of every dimension by its name, `imgsz` or `P3.width`, in the order of the file format."""
    found: dict[str, tuple[Any, ...]] = {}
    for key in SpaceFile.model_fields:
        if key == "stages":
            for level in LEVELS:
                stage: StageChoices = getattr(file.stages, level)
                found |= {f"{level}.{field}": getattr(stage, field) for field in StageChoices.model_fields}
        elif key not in ("name", "description"):
            found[key] = getattr(file, key)
    return found
