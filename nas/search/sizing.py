"""The default space: the shipped one and the input sizes around which designs cross the target on this device.

A target is a live limit where some designs of a space miss it and others meet it. The faster the device, the larger
the inputs at which that is so, and the larger the nets where the inputs are given. So
YOLO11 is measured at a few sizes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nas.architecture import Architecture
from nas.inherit import SCALES
from nas.space import Scale, SearchSpace, load_space, yolo11

SMALLEST_PX, LARGEST_PX, STEP_PX = 64, 640, 32

MIDDLE, APART = 1.5, 0.25
"""The middle input size and the distance of its neighbours, in units of the size at which YOLO11 itself takes the
target. Random designs are narrower than YOLO11 and meet it at larger sizes; with these, 30 to 60% of ten missed it at
three speeds of the device (`python -m benchmarks.search.rejection_share --space auto`, docs/development/log.md)."""

TAKEN = 2.0
"""What YOLO11 takes at the middle of the sizes that are chosen, in units of the target."""

_FIRST_PX = 128

MeasureMs = Callable[[Architecture], float]


@dataclass(frozen=True, slots=True)
class AutoSpace:
    """The shipped spaces of a family, of which one is chosen, with its input sizes, when the search begins.

    Attributes:
        family: The spaces' name without the scale: `ghostv2`, `narrowed`.
        scale: The only scale that may be taken; None for any.
        imgsz: The input sizes, of which none is chosen then; empty for those that follow from the target.
    """

    family: str
    scale: Scale | None = None
    imgsz: tuple[int, ...] = ()

    @property
    def least(self) -> SearchSpace:
        """The smallest that may be chosen, for what can be checked before anything is measured.

        Raises:
            SpaceError: The input sizes are none of the family's.
        """
        space = load_space(f"{self.family}-{self.scale or SCALES[0]}")
        return space.with_imgsz(self.imgsz) if self.imgsz else space


def sized(auto: AutoSpace, target_ms: float, largest_px: int, measure: MeasureMs) -> tuple[SearchSpace, str]:
    """Choose a space and its input sizes.

    The smallest scale is taken whose sizes are at most `largest_px`: a larger picture tells more than a larger net, as
    long as it has so many pixels. Where the sizes are given, it is the scale that takes the target at them.

    Args:
        auto: What may be chosen.
        target_ms: The latency limit.
        largest_px: Input sizes above this are not worth their time.
        measure: Measures a design's latency, in ms.

    Returns:
        The space, and the measurements that decided, in words.

    Raises:
        LatencyError: A latency could not be measured.
    """
    scales = SCALES if auto.scale is None else (auto.scale,)
    if auto.imgsz:
        return _at_given_sizes(auto, scales, target_ms, measure)
    largest = _multiple(min(LARGEST_PX, largest_px))
    for scale in scales:
        known: dict[int, float] = {}
        crossing = _crossing(lambda px, scale=scale: measure(yolo11(scale, px)), target_ms, largest, known)  # type: ignore[misc]
        sizes = _around(crossing)
        if sizes[-1] <= largest:
            break
    else:
        sizes = tuple(px for px in _around(largest / (MIDDLE + APART)) if px <= largest)
    each = ", ".join(f"{known[px]:.2f} ms at {px} px" for px in sorted(known))
    return load_space(f"{auto.family}-{scale}").with_imgsz(sizes), f"YOLO11{scale} takes {each}"


def _at_given_sizes(
    auto: AutoSpace, scales: Sequence[Scale], target_ms: float, measure: MeasureMs
) -> tuple[SearchSpace, str]:
    """The scale at whose middle size YOLO11 takes most nearly as much of the target as at a size that is chosen."""
    middle = sorted(auto.imgsz)[len(auto.imgsz) // 2]
    known: dict[Scale, float] = {}
    for scale in scales:
        known[scale] = measure(yolo11(scale, middle))
        if known[scale] >= TAKEN * target_ms:
            break  # larger scales only take more
    nearest = min(known, key=lambda scale: abs(math.log(known[scale] / (TAKEN * target_ms))))
    each = ", ".join(f"YOLO11{scale} takes {ms:.2f} ms at {middle} px" for scale, ms in known.items())
    return load_space(f"{auto.family}-{nearest}").with_imgsz(auto.imgsz), each


def _around(crossing_px: float) -> tuple[int, ...]:
    middle, apart = _multiple(MIDDLE * crossing_px), max(STEP_PX, round(APART * crossing_px / STEP_PX) * STEP_PX)
    return tuple(px for px in (middle - apart, middle, middle + apart) if px >= SMALLEST_PX)


def _multiple(px: float) -> int:
    return max(SMALLEST_PX, round(px / STEP_PX) * STEP_PX)


def _crossing(measure: Callable[[int], float], target_ms: float, largest: int, known: dict[int, float]) -> float:
    """The input size at which a net takes the target, between two sizes that were measured or by extrapolation.

    Args:
        measure: Latency at an input size.
        target_ms: The target.
        largest: No larger size is measured.
        known: Filled with every latency that is measured, by size.
    """

    def ms(px: int) -> float:
        if px not in known:
            known[px] = measure(px)
        return known[px]

    at = min(_FIRST_PX, largest)
    at = min(largest, _multiple(_scaled_to(target_ms, at, ms(at))))
    while ms(at) > target_ms and at > SMALLEST_PX:
        at -= STEP_PX
    while ms(at) <= target_ms and at + STEP_PX <= largest:
        at += STEP_PX
    # The last one misses, and the one below meets, unless the target lies beyond what may be measured.
    return _scaled_to(target_ms, at, ms(at))


def _scaled_to(target_ms: float, px: int, ms: float) -> float:
    """The size that takes the target where time grows with the pixels."""
    return px * math.sqrt(target_ms / ms)
