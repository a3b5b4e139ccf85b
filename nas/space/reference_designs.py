"""Known designs as points of the space: YOLO11 at any uniform width, and the plain GhostNetV2 corner.

YOLO11's channels, depth and C3k rule: Ultralytics `yolo11.yaml` at scales n, s and m. The GhostNetV2
corner follows arXiv 2211.12905: ghost bottlenecks everywhere, no DFC attention in the first stage, ReLU.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from nas.architecture import LEVELS, Architecture, C3k, Stage
from nas.errors import UsageError
from nas.space.codec import architecture, values_of
from nas.space.space import SearchSpace

Scale = Literal["n", "s", "m"]

# From YOLO11 itself down to a quarter; steps finer than sixteenths vanish in rounding to multiples of 8.
UNIFORM_WIDTHS = tuple(sixteenths / 16 for sixteenths in range(16, 3, -1))


@dataclass(frozen=True, slots=True)
class _Channels:
    stem: int
    stages: tuple[int, int, int, int]
    neck: int
    c3k: C3k


_YOLO11 = {
    "n": _Channels(16, (64, 128, 128, 256), 64, "deep"),
    "s": _Channels(32, (128, 256, 256, 512), 128, "deep"),
    "m": _Channels(64, (256, 512, 512, 512), 256, "all"),
}


def _scaled(channels: int, width: float) -> int:
    """Ultralytics' `make_divisible(channels * width, 8)`: up to the next multiple of 8."""
    return int(-(-channels * width // 8) * 8)


def yolo11(scale: str, imgsz: int, width: float = 1.0) -> Architecture:
    """YOLO11 at scale `n`, `s` or `m`, with every width multiplied by `width` (and up to a multiple of 8).

    Scale m is not quite uniform between half and full width: the neck's P5, four times the neck's width
    and at most 512 channels, stays at that cap.

    Args:
        scale: `n`, `s` or `m`.
        imgsz: Input size in pixels.
        width: Factor on every width.

    Raises:
        UsageError: The scale is unknown or the width is not above zero.
    """
    if scale not in _YOLO11:
        raise UsageError(f"YOLO11's scale must be one of {', '.join(_YOLO11)}; got {scale!r}")
    if not width > 0:
        raise UsageError(f"YOLO11's width factor must be above zero; got {width}")
    base = _YOLO11[scale]
    p2, p3, p4, p5 = (Stage("c3k2", _scaled(channels, width), 1) for channels in base.stages)
    neck = _scaled(base.neck, width)
    return Architecture(
        imgsz=imgsz,
        activation="silu",
        stem_width=_scaled(base.stem, width),
        stages=(p2, p3, p4, p5),
        neck_width=neck,
        box_width=max(16, neck // 4, 64),  # Detect: max(16, ch // 4, 4 * reg_max), at YOLO11's reg_max of 16
        cls_width=neck,
        reg_max=16,
        c3k=base.c3k,
    ).canonical()


def scaled_yolo11(space: SearchSpace) -> tuple[Architecture, ...]:
    """Every uniformly scaled YOLO11 that is a point of the space, at every input size, largest first."""
    candidates = (
        yolo11(scale, imgsz, width) for scale in _YOLO11 for width in UNIFORM_WIDTHS for imgsz in space.choices["imgsz"]
    )
    inside = {arch.key: arch for arch in candidates if space.encode(arch) is not None}
    return tuple(sorted(inside.values(), key=_rough_work, reverse=True))


def _rough_work(arch: Architecture) -> tuple[int, int]:
    """Orders uniformly scaled designs: work grows with the square of both size and width."""
    return arch.imgsz * arch.stages[1].width, arch.imgsz


def ghost_corner(space: SearchSpace) -> tuple[Architecture, ...]:
    """The plain GhostNetV2 corner of the space, one an input size, largest first; empty when it has none.

    The largest YOLO11 of the space (where there is none, the space's largest widths) with every backbone
    stage, and down-sampler where the space allows, made of GhostNetV2 bottlenecks: expansion 3, depth 1,
    ReLU, and from P3 on squeeze-and-excitation and DFC attention with kernel 5 and pool 2. Where the space
    lacks a number, its nearest.
    """
    if any("ghost" not in space.choices[f"{level}.block"] for level in LEVELS):
        return ()
    if not all(any(space.choices[f"{level}.dfc_kernel"]) for level in LEVELS[1:]):
        return ()
    base = next(iter(scaled_yolo11(space)), space.largest()[0])
    wishes = {**values_of(base), "activation": "relu", **_YOLO11_HEAD}
    for level in LEVELS:
        attends = level != "P2"
        wishes |= {
            f"{level}.block": "ghost",
            f"{level}.depth": 1,
            f"{level}.expansion": 3.0,
            f"{level}.ratio": 2,
            f"{level}.kernel": 3,
            f"{level}.dfc_kernel": 5 if attends else 0,
            f"{level}.dfc_pool": 2,
            f"{level}.se": attends,
            f"{level}.downsample": "ghost",
        }
    values: dict[str, Any] = {
        d.name: _closest(wishes[d.name], d.choices, switched_on=d.name.endswith("kernel") and wishes[d.name] > 0)
        for d in space.dimensions
    }
    corner = architecture(values)
    return tuple(replace(corner, imgsz=imgsz) for imgsz in reversed(space.choices["imgsz"]))


_YOLO11_HEAD = {
    "neck": "pan",
    "head": "yolo11",
    "end2end": False,
    "levels": "P3-P5",
    "sppf": True,
    "c2psa": True,
}
"""What neck and head of the plain corner are like, whatever design lends it the widths."""


def _closest(wish: Any, choices: tuple[Any, ...], switched_on: bool) -> Any:
    """The wish itself, the nearest number (not 0 where it must be switched on), or the first choice."""
    if wish in choices:
        return wish
    if wish is None or isinstance(wish, str):
        return choices[0]
    numbers = [choice for choice in choices if choice] if switched_on else choices
    return min(numbers, key=lambda choice: abs(choice - wish))
