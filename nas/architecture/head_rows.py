"""The neck's and the head's rows of a model YAML.

A stock `Detect` row needs a C3k2 row before it: that is what keeps `Detect.legacy` False (without any, Ultralytics
silently builds the class branch of YOLOv8, with millions of parameters more). Every other head is one of ours, which
does not ask.
"""

import math
from collections.abc import Sequence

from nas.architecture.architecture import LEVELS, Architecture

Row = tuple[str, str]
"""The text of a row, and a note on it."""

_NECK_CAP = 512
_P5 = 3
_LEVELS_OF = {"P3-P5": (1, 2, 3), "P3-P4": (1, 2), "P2-P4": (0, 1, 2)}


def neck_widths(neck_width: int) -> tuple[int, ...]:
    """Channels of the neck at P2, P3, P4 and P5."""
    return (multiple_of_8(neck_width / 2), *(min(neck_width * factor, _NECK_CAP) for factor in (1, 2, 4)))


def head_rows(arch: Architecture, nc: int, ends: Sequence[int]) -> list[Row]:
    """The neck and the detection head.

    Args:
        arch: The design.
        nc: Number of classes.
        ends: The backbone's last row at P2, P3, P4 and P5.
    """
    rows, maps = _afpn(arch, ends) if arch.neck == "afpn" else _pyramid(arch, ends)
    module, args = _detect(arch, nc)
    return [*rows, (row(module, args, f"[{', '.join(map(str, maps))}]"), "")]


def _pyramid(arch: Architecture, ends: Sequence[int]) -> tuple[list[Row], list[int]]:
    """YOLO11's neck: from P5 up to the largest map, and back down; its rows, and where the head's maps are."""
    slim, c3k = arch.neck == "slim", arch.c3k == "all"
    widths, levels = neck_widths(arch.neck_width), _LEVELS_OF[arch.levels]
    rows: list[Row] = []

    def fused(level: int, other: int, note: str) -> int:
        """The map in hand joined with another at its level; the new row's index."""
        width = widths[level]
        module = row("VoVGSCSP", f"{width}") if slim else row("C3k2", f"{width}, {c3k or level == _P5}")
        rows.extend([(row("Concat", "1", f"[-1, {other}]"), ""), (module, note)])
        return ends[-1] + len(rows)

    at = {_P5: ends[_P5]}
    for level in range(_P5 - 1, levels[0] - 1, -1):
        rows.append((row("nn.Upsample", 'None, 2, "nearest"'), ""))
        last = level == levels[0]
        at[level] = fused(level, ends[level], LEVELS[level] if last else f"{LEVELS[level]} top-down")
    for level in levels[1:]:
        rows.append((row("GSConv" if slim else "Conv", f"{widths[level - 1]}, 3, 2"), ""))
        at[level] = fused(level, at[level], LEVELS[level])
    return rows, [at[level] for level in levels]


def _afpn(arch: Architecture, ends: Sequence[int]) -> tuple[list[Row], list[int]]:
    """The asymptotic pyramid of every level from the head's largest map down to P5, and an `Index` row a map."""
    widths, levels = neck_widths(arch.neck_width), _LEVELS_OF[arch.levels]
    taken = range(levels[0], _P5 + 1)
    hidden = [multiple_of_8(widths[level] / 4) for level in taken]
    out = [widths[level] for level in levels]
    first = ends[-1] + 1
    sources = ", ".join(str(ends[level]) for level in taken)
    rows = [(row("AFPN", f"{hidden}, {out}", f"[{sources}]"), "")]
    for index, level in enumerate(levels):
        rows.append((row("Index", f"{widths[level]}, {index}", str(first)), LEVELS[level]))
    return rows, [first + 1 + index for index in range(len(levels))]


def _detect(arch: Architecture, nc: int) -> tuple[str, str]:
    """The head's module and arguments: the stock one where it is YOLO11's or has the same widths."""
    first = neck_widths(arch.neck_width)[_LEVELS_OF[arch.levels][0]]
    stock_box = max(16, first // 4, 4 * arch.reg_max)
    # With more classes than channels YOLO11 widens its class branch; any other head means what it says.
    rule_of_yolo11 = arch.reg_max == 16 or min(nc, 100) <= first
    # Of a stock head with both kinds of branches Ultralytics deploys the one that needs NMS.
    plain = not arch.end2end and (arch.neck == "pan" or any(stage.block == "c3k2" for stage in arch.stages))
    yolo11s = arch.box_width == stock_box and arch.cls_width == first and rule_of_yolo11
    if plain and yolo11s and arch.head == "yolo11":
        return "Detect", "nc"
    cls_width = max(first, min(nc, 100)) if yolo11s else arch.cls_width
    return "MBConvDetect" if arch.head == "mbconv" else "SlimDetect", f"nc, {arch.box_width}, {cls_width}"


def row(module: str, args: str, source: str = "-1", repeats: int = 1) -> str:
    """`[from, repeats, module, [arguments]]`."""
    return f"[{source}, {repeats}, {module}, [{args}]]"


def multiple_of_8(value: float) -> int:
    """The nearest multiple of 8, at least 8."""
    return max(8, math.floor(value / 8 + 0.5) * 8)
