"""How much work a design is, roughly, from its choices alone: nothing is built for it.

It counts the multiply-adds of each part as if inputs and outputs had the same width, and gives every element that
passes through memory the weight of ten. A latency goes up with it nearly in proportion (correlation of the logarithms
0.96 over 232 measured designs, tests/surrogate/test_work.py). What it gets wrong, such as families of blocks with other
layers inside, a process over the choices learns.
"""

from nas.architecture import Architecture, Stage

_ELEMENT = 10.0
"""Multiply-adds that take as long as an element that passes through memory."""


def rough_work(design: Architecture) -> float:
    """Multiply-adds for one picture, memory traffic included, to about a quarter.

    Args:
        design: The design.
    """
    arch = design.canonical()
    pixels = [float((arch.imgsz / 2 ** (level + 2)) ** 2) for level in range(4)]
    work = 4 * pixels[0] * arch.stem_width * (27 + _ELEMENT)
    channels = arch.stem_width
    for level, stage in enumerate(arch.stages):
        narrow = stage.block == "c3k2" and level < 2  # YOLO11's recipe at P2 and P3
        work += pixels[level] * (_down(stage, channels, narrow) + stage.depth * _body(stage, narrow))
        channels = stage.width
    return work + _neck(arch, pixels) + _head(arch, pixels)


def _down(stage: Stage, channels: int, narrow: bool) -> float:
    """A position's share of a down-sampler."""
    width = stage.width / 2 if narrow else stage.width
    if stage.downsample == "conv":
        return 9 * channels * width + _ELEMENT * width
    # It works on the larger map first.
    return 2 * channels**2 + 1.5 * channels * width + _ELEMENT * (24 * channels + 8 * width)


def _body(stage: Stage, narrow: bool) -> float:
    """A position's share of one of a stage's blocks."""
    width = stage.width
    if stage.block == "c3k2":
        inner = width * (0.25 if narrow else 0.5)
        convolutions = 9 * inner**2 if narrow else 10.5 * inner**2
        return 5 * inner * width + convolutions + _ELEMENT * (8 * inner + width)
    inner = stage.expansion * width
    attention, moved = 0.0, 8 * inner + 8 * width + (3 * inner if stage.se else 0)
    if stage.dfc_kernel:
        attention = width * inner / stage.dfc_pool**2
        moved += inner * (3 + (2 + 2 * stage.dfc_kernel) / stage.dfc_pool**2)
    return width * inner + attention + _ELEMENT * moved


def _neck(arch: Architecture, pixels: list[float]) -> float:
    width, (_, _, p4, p5) = arch.neck_width, (stage.width for stage in arch.stages)
    top = pixels[3] * ((p5 + 2 * width) * 16 * width + 6 * p5**2)
    middle = pixels[2] * (6.3 * (p5 + p4 + 2 * width) * width + 36 * width**2)
    return top + middle + pixels[1] * (arch.stages[1].width + 2 * width) * 3 * width


def _head(arch: Architecture, pixels: list[float]) -> float:
    box, cls = arch.box_width, arch.cls_width
    shared = 9 * box**2 + 4 * box * arch.reg_max + 9 * cls + cls**2
    widths = (arch.neck_width * factor for factor in (1, 2, 4))
    return sum(at * (width * (9 * box + 9 + cls) + shared) for at, width in zip(pixels[1:], widths, strict=True))
