"""The baselines of a search that starts from a checkpoint: what a user makes of that checkpoint by hand.

The checkpoint's own design at smaller input sizes, and the same design uniformly narrowed.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from nas.architecture import Architecture
from nas.errors import ModelError
from nas.inherit import SCALES, FreshSource, SourceChoice
from nas.search.scaled_baselines import SMALLEST_PX, STEP_PX, Screen, Screened, widest
from nas.space import UNIFORM_WIDTHS, Scale, yolo11


def scale_of(source: Any, name: str) -> Scale:
    """Which YOLO11 a detector is; the class branch, whose width depends on the number of classes, is not compared.

    Args:
        source: A detection model.
        name: What the user calls it, for the message.

    Raises:
        ModelError: It is none of YOLO11 n, s and m.
    """
    from nas.architecture import to_yaml
    from nas.inherit import describe, describe_file
    from nas.model import build

    found = _widths(describe_file(source, name))
    for scale in SCALES:
        if _widths(describe(build(to_yaml(yolo11(scale, SMALLEST_PX), 1), seed=0))) == found:
            return scale
    raise ModelError(
        f"{name}: a search starts from YOLO11 n, s or m, trained on whatever, and this detector has another layout or "
        "other widths; `ghostnas inherit` takes it for one design"
    )


def scale_of_source(source: SourceChoice) -> Scale:
    """Which YOLO11 a source is, or will be once it is trained.

    Raises:
        ModelError: It is no checkpoint of a detector, or none of YOLO11 n, s and m.
    """
    from nas.inherit import load_source

    return source.scale if isinstance(source, FreshSource) else scale_of(load_source(source), str(source))


def _widths(table: Any) -> dict[str, tuple[int, int]]:
    """By role: channels in and out of every layer before the class branches."""
    convs = {layer.role: layer.conv for layer in table.layers if ".classes" not in layer.role}
    return {role: (conv.in_channels, conv.out_channels) for role, conv in convs.items()}


def source_baselines(scale: Scale, sizes: Iterable[int], screen: Screen) -> dict[str, Architecture]:
    """At every input size from 64 px the widest uniformly scaled YOLO11 that meets the limits.

    Args:
        scale: The source's.
        sizes: The search's input sizes in pixels; smaller multiples of 32 are added.
        screen: Screens a design.

    Returns:
        By label: `source-96` at full width, `narrowed-128-10of16` at ten sixteenths of it. Where nothing meets the
        limits, the narrowest at the smallest size, so that there is something to compare with.
    """
    given = set(sizes)
    smallest = min(SMALLEST_PX, *given)
    found: dict[str, Architecture] = {}
    full = Screened(True, 0.0)  # larger sizes are slower
    for imgsz in sorted({*given, *range(SMALLEST_PX, max(given), STEP_PX)}):
        source = yolo11(scale, imgsz)
        if full.meets and (full := screen(source)).meets:
            found[f"source-{imgsz}"] = source
            continue
        width = widest(scale, imgsz, full, screen)
        if width is None:
            break
        found[f"narrowed-{imgsz}-{round(16 * width)}of16"] = yolo11(scale, imgsz, width)
        full = replace(full, share=full.share * ((imgsz + STEP_PX) / imgsz) ** 2)  # of the next size, about
    return found or {f"narrowed-{smallest}-4of16": yolo11(scale, smallest, UNIFORM_WIDTHS[-1])}
