"""From a source's layers to a design's: rows and columns of the chosen channels, and what is said of the rest."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from nas.inherit.channel_spaces import Block, Layer, Part, Table, offsets
from nas.inherit.choose_channels import Selection, Selections
from nas.inherit.class_rows import other_bins
from nas.inherit.stage_pairs import Stage, stage_pairs

Rule = Literal["copied", "copied in part", "outputs only", "adds nothing", "fresh"]
"""What a layer or block begins with.

`copied`: rows and columns of the source's. `copied in part`: the same, with columns of zeros for maps that the source's
layer does not read, or fresh rows for classes that the source does not have. `outputs only`: fresh weights behind which
stands the source's BatchNorm, because none of the maps that it reads is one of the source's. `adds nothing`: fresh, its
BatchNorm's scale 0, so that the shortcut around it is all. `fresh`: as the design was built.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What became of a layer or a block.

    Attributes:
        one: The design's layer or block.
        rule: What it begins with.
        params: Its parameters.
        taken: Those of them that come from the source.
        reason: Why it is not `copied`; empty where it is.
    """

    one: Layer | Block
    rule: Rule
    params: int
    taken: int
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Counterpart:
    """A layer of the design whose outputs are known from the source.

    Attributes:
        layer: The design's.
        source: The source's.
        rows: The source's row that each output channel is.
        gains: What each is multiplied by; None where by nothing.
    """

    layer: Layer
    source: Layer
    rows: Tensor
    gains: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The last layer of a box branch.

    Attributes:
        layer: The design's.
        source: The source's.
        classes: The last layer of the source's class branch beside it.
    """

    layer: Layer
    source: Layer
    classes: Layer


@dataclass(slots=True, eq=False)
class Transfer:
    """What a design took of a source.

    Attributes:
        entries: Every layer and block of the design.
        counterparts: The layers whose outputs are known from the source, in the order of the computation.
        kept: By section: the importance that is kept of the spaces that its layers write, and all of it.
        boxes: The last layers of the box branches that have a counterpart.
        stages: Blocks that are fresh inside, of which the source tells what they are to compute.
    """

    entries: list[Entry] = field(default_factory=list)
    counterparts: list[Counterpart] = field(default_factory=list)
    kept: dict[str, tuple[float, float]] = field(default_factory=dict)
    boxes: list[Boxes] = field(default_factory=list)
    stages: tuple[Stage, ...] = ()

    def beside_stages(self) -> list[Counterpart]:
        """The layers that no stage is taught together with."""
        taught = {one.role for stage in self.stages for one in stage.members}
        return [one for one in self.counterparts if one.layer.role not in taught]


@torch.no_grad()
def transfer(source: Table, design: Table, selections: Selections, classes: Sequence[int | None]) -> Transfer:
    """Copy what a design can take of a source; its modules are changed in place.

    Args:
        source: The source's table.
        design: The design's table.
        selections: Which channels are taken.
        classes: For each class of the design the source's, None for one that it does not have.
    """
    return _Copy(source, design, selections, classes).all()


class _Copy:
    def __init__(self, source: Table, design: Table, selections: Selections, classes: Sequence[int | None]) -> None:
        self._source, self._design, self._selections, self._classes = source, design, selections, classes
        self._known = source.by_role()
        self._done = Transfer()
        self._counted: set[tuple[str, int]] = set()

    def all(self) -> Transfer:
        for layer in self._design.layers:
            self._done.entries.append(self._layer(layer))
        for block in self._design.blocks:
            self._done.entries.append(self._block(block))
        fresh = {entry.one for entry in self._done.entries if isinstance(entry.one, Block) and entry.rule == "fresh"}
        self._done.stages = tuple(stage_pairs(self._source, self._design, self._selections, fresh))
        return self._done

    def _layer(self, layer: Layer) -> Entry:
        size = sum(parameter.numel() for parameter in layer.module.parameters())
        source = self._known.get(layer.role)
        if source is None or source.kind != layer.kind or source.conv.kernel_size != layer.conv.kernel_size:
            adds = layer.residual_of in self._known and layer.norm is not None
            if adds:
                layer.norm.weight.zero_()
            reason = self._missing(layer.role) if source is None else _unlike(layer, source)
            return Entry(layer, "adds nothing" if adds else "fresh", size, 0, reason)
        if layer.kind in ("boxes", "classes"):
            return self._last(layer, source, size)
        rows, gains = self._rows(layer, source)
        self._done.counterparts.append(Counterpart(layer, source, rows, gains))
        taken = self._weight(layer, source, rows)
        _copy_norm(layer, source, rows, gains)
        norm = sum(parameter.numel() for parameter in layer.norm.parameters())
        missing = self._unread(layer, source)
        if not taken:
            return Entry(layer, "outputs only", size, norm, f"it reads {missing}, which the source's does not")
        reason = f"columns of {missing} are zero: the source's layer does not read it" if missing else ""
        return Entry(layer, "copied in part" if missing else "copied", size, taken + norm, reason)

    def _rows(self, layer: Layer, source: Layer) -> tuple[Tensor, Tensor | None]:
        """The source's row of each output channel, and the rows' factors."""
        if layer.heads is not None:
            heads = self._selections.of_heads(source, layer.heads)
            self._count(layer, source.outputs[0], heads.values)
            return heads.rows, heads.gains
        rows = []
        for (begin, theirs), ours in zip(offsets(source.outputs), layer.outputs, strict=True):
            chosen = self._selections.of(theirs.space, ours.width)
            self._count(layer, theirs, chosen)
            rows.append(begin + chosen.index)
        return torch.cat(rows), None

    def _count(self, layer: Layer, part: Part, chosen: Selection) -> None:
        """Add a space to the importance that is kept, once."""
        if (part.space, len(chosen.index)) in self._counted:
            return
        self._counted.add((part.space, len(chosen.index)))
        kept, total = self._done.kept.get(layer.section, (0.0, 0.0))
        some, all_of_it = self._selections.kept(part.space, chosen)
        self._done.kept[layer.section] = kept + some, total + all_of_it

    def _weight(self, layer: Layer, source: Layer, rows: Tensor) -> int:
        """Copy the weight; how many of its numbers come from the source."""
        weight, theirs = layer.conv.weight, source.conv.weight[rows]
        if layer.kind == "depthwise":
            weight.copy_(theirs)
            return int(weight.numel())
        made, taken = self._columns(layer, source, theirs)
        if taken:
            weight.copy_(made)
        return taken

    def _columns(self, layer: Layer, source: Layer, theirs: Tensor) -> tuple[Tensor, int]:
        """Rows of the source's (O, C, ...) with the design's columns, and how many numbers come from the source."""
        made, taken = [], 0
        for part in layer.inputs:
            found = _find(part, layer, source)
            if found is None:
                made.append(theirs.new_zeros(len(theirs), part.width, *theirs.shape[2:]))
                continue
            begin, read = found
            chosen = self._selections.of(read.space, part.width)
            shares = chosen.shares(len(theirs))
            made.append(theirs[:, begin + chosen.index] * shares.view(*shares.shape, *[1] * (theirs.ndim - 2)))
            taken += made[-1].numel()
        return torch.cat(made, 1).to(theirs.dtype), taken

    def _unread(self, layer: Layer, source: Layer) -> str:
        return ", ".join(part.name for part in layer.inputs if _find(part, layer, source) is None)

    def _last(self, layer: Layer, source: Layer, size: int) -> Entry:
        """The last layer of a branch of the head."""
        columns, taken = self._columns(layer, source, source.conv.weight)
        if not taken:
            return Entry(
                layer, "fresh", size, 0, f"it reads {self._unread(layer, source)}, which the source's does not"
            )
        conv, bias = layer.conv, source.conv.bias
        if layer.kind == "boxes":
            if self._source.reg_max == 1 != self._design.reg_max:
                return Entry(
                    layer, "fresh", size, 0, "bins cannot be made of the one distance that the source predicts"
                )
            weight, bias = other_bins(columns, bias, self._design.reg_max)
            conv.weight.copy_(weight)
            conv.bias.copy_(bias)
            classes = self._known.get(source.role.replace(".boxes", ".classes"))
            if classes is not None:
                self._done.boxes.append(Boxes(layer, source, classes))
            return Entry(layer, "copied", size, size)
        known = [(ours, theirs) for ours, theirs in enumerate(self._classes) if theirs is not None]
        for ours, theirs in known:
            conv.weight[ours], conv.bias[ours] = columns[theirs], bias[theirs]
        if len(known) == self._design.nc:
            return Entry(layer, "copied", size, size)
        reason = f"{self._design.nc - len(known)} of {self._design.nc} classes are not among the source's"
        taken = len(known) * size // self._design.nc
        return Entry(layer, "copied in part" if known else "fresh", size, taken, reason)

    def _block(self, block: Block) -> Entry:
        size = sum(parameter.numel() for parameter in block.module.parameters())
        theirs = next((one for one in self._source.blocks if one.role == block.role), None)
        if theirs is None:
            return Entry(block, "fresh", size, 0, self._missing(block.role))
        ours, known = block.module.state_dict(), theirs.module.state_dict()
        same = type(block.module) is type(theirs.module) and {name: one.shape for name, one in ours.items()} == {
            name: one.shape for name, one in known.items()
        }
        if not same or block.inputs != theirs.inputs or block.outputs != theirs.outputs:
            return Entry(block, "fresh", size, 0, f"a {self._design.kinds[block.role]} of other widths or choices")
        if not all(self._selections.of(part.space, part.width).is_all for part in (*block.inputs, *block.outputs)):
            return Entry(block, "fresh", size, 0, "its channels are in another order")
        block.module.load_state_dict(known)
        return Entry(block, "copied", size, size)

    def _missing(self, role: str) -> str:
        """Why the source has nothing of a role."""
        row = self._design.row_of(role)
        ours, theirs = self._design.kinds[row], self._source.kinds.get(row)
        if theirs is None:
            return f"the source has no {row}"
        if ours != theirs:
            return f"{ours}, where the source has {theirs}"
        return f"{ours} with blocks inside that the source's does not have"


def _find(part: Part, layer: Layer, source: Layer) -> tuple[int, Part] | None:
    """The part of a source's input axis that a design's is: by name; of a single one also by its space."""
    found = next(((begin, read) for begin, read in offsets(source.inputs) if read.name == part.name), None)
    if found is None and len(layer.inputs) == len(source.inputs) == 1 and source.inputs[0].space == part.space:
        found = 0, source.inputs[0]
    return found


def _copy_norm(layer: Layer, source: Layer, rows: Tensor, gains: Tensor | None) -> None:
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(layer.norm, name).copy_(getattr(source.norm, name)[rows])
    if gains is not None:
        layer.norm.weight.mul_(gains)
        layer.norm.bias.mul_(gains)


def _unlike(layer: Layer, source: Layer) -> str:
    ours, theirs = ("x".join(map(str, one.conv.kernel_size)) for one in (layer, source))
    return f"a {ours} convolution, where the source has {theirs}"
