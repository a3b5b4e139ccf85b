"""YOLO11 scaled by hand to the limits, by width and input size: what a search from scratch has to beat."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nas.architecture import Architecture
from nas.inherit import SCALES
from nas.space import UNIFORM_WIDTHS, Scale, attention_fits, yolo11

SMALLEST_PX, STEP_PX = 64, 32


@dataclass(frozen=True, slots=True)
class Screened:
    """What a screening says of a design.

    Attributes:
        meets: Whether it meets every limit.
        share: Its latency as a share of the target.
    """

    meets: bool
    share: float


Screen = Callable[[Architecture], Screened]


def scaled_baselines(sizes: Sequence[int], screen: Screen) -> dict[str, Architecture]:
    """The widest YOLO11 that meets the limits at each input size, and the largest size at which its full width does.

    Args:
        sizes: The search's input sizes in pixels.
        screen: Screens a design.

    Returns:
        By label, the smallest input first: `yolo11n-96` at full width, `yolo11n-128-12of16` at twelve sixteenths of it.
        Sizes at which not even a quarter of the width meets the limits are left out.
    """
    largest = max(sizes)
    for scale in SCALES:
        full = screen(yolo11(scale, largest))
        if not full.meets:
            break
    else:
        return {f"yolo11{scale}-{largest}": yolo11(scale, largest)}
    found: dict[str, Architecture] = {}
    for imgsz in sorted(sizes, reverse=True):
        full = full if imgsz == largest else screen(yolo11(scale, imgsz))
        if full.meets:
            found[f"yolo11{scale}-{imgsz}"] = yolo11(scale, imgsz)
            break
        if (width := widest(scale, imgsz, full, screen)) is not None:
            found[f"yolo11{scale}-{imgsz}-{round(16 * width)}of16"] = yolo11(scale, imgsz, width)
    if not full.meets and (whole := _largest_whole(scale, min(sizes), full, screen)) is not None:
        found[f"yolo11{scale}-{whole}"] = yolo11(scale, whole)
    return dict(reversed(found.items()))


def widest(scale: Scale, imgsz: int, full: Screened, screen: Screen) -> float | None:
    """The largest factor below 1 on YOLO11's widths with which it meets the limits.

    The search begins where work, which grows with the square of the width, would take the target, and goes on one by
    one: a bisection that meets one disturbed measurement ends far from it.

    Args:
        scale: YOLO11's scale.
        imgsz: Input size in pixels.
        full: What was screened of the full width.
        screen: Screens a design.

    Returns:
        None where not even a quarter of the width meets them.
    """
    widths = [width for width in UNIFORM_WIDTHS[1:] if can_be_built(yolo11(scale, imgsz, width))]
    guess = next((at for at, width in enumerate(widths) if width <= full.share**-0.5), len(widths) - 1)
    at = _first(lambda at: screen(yolo11(scale, imgsz, widths[at])).meets, len(widths), guess)
    return None if at is None else widths[at]


def can_be_built(design: Architecture) -> bool:
    """Whether C2PSA can split half of P5's channels evenly among its heads; not all narrowed YOLO11 s and m."""
    return attention_fits(design.stages[3].width)


def _largest_whole(scale: Scale, above: int, full: Screened, screen: Screen) -> int | None:
    """The largest input size below one at which the full width meets the limits; work grows with its square."""
    sizes = list(range(above - STEP_PX, SMALLEST_PX - 1, -STEP_PX))
    guess = next((at for at, imgsz in enumerate(sizes) if imgsz <= above * full.share**-0.5), len(sizes) - 1)
    at = _first(lambda at: screen(yolo11(scale, sizes[at])).meets, len(sizes), guess)
    return None if at is None else sizes[at]


def _first(meets: Callable[[int], bool], count: int, guess: int) -> int | None:
    """The first place that meets, where all after it do too; from a guess on, one by one."""
    if count and meets(guess):
        while guess > 0 and meets(guess - 1):
            guess -= 1
        return guess
    return next((at for at in range(guess + 1, count) if meets(at)), None)
