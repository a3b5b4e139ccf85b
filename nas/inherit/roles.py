"""Which module of a detector plays which role: found from how its rows are connected, not from their numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from ultralytics.nn.modules.block import C2PSA, SPPF
from ultralytics.nn.modules.conv import Concat, Conv, Index

from nas.blocks.afpn import AFPN
from nas.errors import ModelError
from nas.inherit.channel_spaces import PICTURE, Axis, Part, Table
from nas.inherit.structure import TableWriter, channels_out


def describe(model: Any, kept: Mapping[str, Sequence[int]] | None = None, *, one_to_one: bool = True) -> Table:
    """A detector's layers with their roles and channel spaces.

    The stem, each backbone level's down-sampler and body, SPPF, C2PSA, the neck's rows from P5 up and back down, and
    the head's branches a level have roles such as `P3.down`, `P3.block.cv1`, `neck.P4.down` and `head.P3.boxes.0`. The
    map that the head reads at a level is `neck.P3`, whichever row makes it.

    Args:
        model: A detection model as Ultralytics builds it, not fused.
        kept: For a module that repeats, by role, the number by which each of its blocks is called.
        one_to_one: Whether one-to-one branches have roles of their own; else they have those of the others.

    Raises:
        ModelError: The rows are connected in another way.
    """
    head = model.model[-1]
    writer = TableWriter(Table(int(head.reg_max), int(head.nc)), kept or {})
    walk = _Walk(writer, rows=list(model.model))
    for row in walk.rows[:-1]:
        walk.pass_row(row)
    levels = [walk.levels[source] for source in _sources(head, len(walk.rows) - 1)]
    maps = [walk.maps[source] for source in _sources(head, len(walk.rows) - 1)]
    for number, (level, inputs) in enumerate(zip(levels, maps, strict=True)):
        _branches(writer, head, number, f"head.P{level}", inputs, one_to_one)
    return writer.table


def _sources(row: Any, index: int) -> list[int]:
    given = row.f if isinstance(row.f, list) else [row.f]
    return [index + source if source < 0 else source for source in given]


class _Walk:
    """A detector's rows, one after the other: what each of them writes, and at which level."""

    def __init__(self, writer: TableWriter, rows: list[Any]) -> None:
        self.rows = rows
        self.maps: list[Axis] = []
        self.levels: list[int] = []
        self._writer = writer
        self._for_head = set(_sources(rows[-1], len(rows) - 1))
        self._phase = "backbone"
        self._pyramid: list[tuple[Axis, int]] = []  # the maps of an AFPN

    def pass_row(self, row: Any) -> None:
        index = len(self.maps)
        sources = _sources(row, index)
        inputs: Axis = sum((self.maps[source] for source in sources), ()) if index else (PICTURE,)
        level = self.levels[sources[0]] if index else 0
        if isinstance(row, nn.Upsample):
            self._phase, level, out = "top_down", level - 1, inputs
        elif isinstance(row, Concat):
            out = inputs
        elif isinstance(row, AFPN):
            out = self._afpn(row, sources, inputs)
        elif isinstance(row, Index):
            out, level = self._pyramid[row.index]
        elif len(sources) > 1 or not inputs:
            raise ModelError(f"row {index} ({type(row).__name__}) is of another layout than YOLO11's: it has no role")
        else:
            down = halves(row)
            level += down
            role = self._role(row, index, level, down)
            name = f"neck.P{level}" if index in self._for_head else role
            out = (self._writer.body(role, row, inputs, name),)
        self.maps.append(out)
        self.levels.append(level)

    def _role(self, row: Any, index: int, level: int, down: bool) -> str:
        if down and level == 1:
            return "stem"
        if self._phase != "backbone":
            if down:
                self._phase = "bottom_up"
                return f"neck.P{level}.down"
            return f"neck.P{level}.{self._phase}"
        if isinstance(row, SPPF | C2PSA):
            return "sppf" if isinstance(row, SPPF) else "c2psa"
        if down:
            return f"P{level}.down"
        following = self.rows[index + 1]
        ends = halves(following) or isinstance(following, SPPF | C2PSA | nn.Upsample | AFPN)
        # Of several bodies at a level it is the last that others read.
        return f"P{level}.block" if ends else f"P{level}.block before {index + 1}"

    def _afpn(self, row: AFPN, sources: list[int], inputs: Axis) -> Axis:
        widths = [channels_out(expand) for expand in row.expand]
        levels = [self.levels[source] for source in sources]
        names = [f"neck.P{level}" for level in levels]
        parts = [Part(name, name, width) for name, width in zip(names, widths, strict=False)]
        self._pyramid = [((part,), level) for part, level in zip(parts, levels, strict=False)]
        self._writer.block("neck.AFPN", row, inputs, tuple(parts))
        return ()


def halves(row: Any) -> bool:
    """Whether a row halves its map.

    Args:
        row: A module.
    """
    kinds = nn.Conv2d | nn.MaxPool2d
    strides = (one.stride for one in row.modules() if isinstance(one, kinds))
    return any(stride in (2, (2, 2)) for stride in strides)


def _branches(writer: TableWriter, head: Any, number: int, role: str, inputs: Axis, one_to_one: bool) -> None:
    """The branches of one level."""
    _boxes(writer, f"{role}.boxes", head.cv2[number], inputs)
    _classes(writer, f"{role}.classes", head.cv3[number], inputs)
    if getattr(head, "one2one_cv2", None) is not None:
        own = ".one_to_one" if one_to_one else ""
        _boxes(writer, f"{role}.boxes{own}", head.one2one_cv2[number], inputs)
        _classes(writer, f"{role}.classes{own}", head.one2one_cv3[number], inputs)


def _boxes(writer: TableWriter, role: str, branch: Any, inputs: Axis) -> None:
    writer.kind(role, branch)
    if not all(isinstance(one, Conv) for one in branch[:-1]):
        writer.block(role, branch, inputs, ())
        return
    for number, one in enumerate(branch[:-1]):
        hidden = Part(f"{role}.{number}", f"{role}.{number}", channels_out(one))
        writer.layer(f"{role}.{number}", one, inputs, (hidden,))
        inputs = (hidden,)
    out = Part(f"{role}.out", f"{role}.out", channels_out(branch[-1]))
    writer.layer(f"{role}.out", branch[-1], inputs, (out,), kind="boxes")


def _classes(writer: TableWriter, role: str, branch: Any, inputs: Axis) -> None:
    """YOLO11's class branch of depthwise and pointwise layers, or YOLOv8's of full convolutions."""
    writer.kind(role, branch)
    separable = [isinstance(one, nn.Sequential) and all(isinstance(conv, Conv) for conv in one) for one in branch[:-1]]
    if not (all(separable) or all(isinstance(one, Conv) for one in branch[:-1])):
        writer.block(role, branch, inputs, ())
        return
    for number, one in enumerate(branch[:-1]):
        hidden = Part(f"{role}.{number}", f"{role}.{number}", channels_out(one))
        if all(separable):
            writer.depthwise(f"{role}.{number}.depthwise", one[0], inputs)
            writer.layer(f"{role}.{number}.pointwise", one[1], inputs, (hidden,))
        else:
            writer.layer(f"{role}.{number}", one, inputs, (hidden,))
        inputs = (hidden,)
    out = Part(f"{role}.out", f"{role}.out", channels_out(branch[-1]))
    writer.layer(f"{role}.out", branch[-1], inputs, (out,), kind="classes")
