"""Stages of a design that a source's stages correspond to: fresh inside, but what they read and write is known."""

from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.inherit.channel_spaces import Block, Layer, Part, Table, offsets
from nas.inherit.choose_channels import Selections

Member = Layer | Block


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """Blocks of a design, each of which reads what the one before it writes, and the source's stage in their place.

    Attributes:
        members: The design's, in the order of the computation. The first may be a layer: a down-sampler whose map
            only the block behind it reads.
        first: The source's layer or block that reads what the first member reads.
        read: The source's channel that each channel of that is.
        last: The source's layer or block that writes what the last member writes.
        written: The source's channel that each channel of that is.
    """

    members: tuple[Member, ...]
    first: Member
    read: Tensor
    last: Member
    written: Tensor

    @property
    def role(self) -> str:
        """The last member's role."""
        return self.members[-1].role


def stage_pairs(source: Table, design: Table, selections: Selections, fresh: Set[Block]) -> Iterator[Stage]:
    """The stages of a design that can learn from the source's, the last ones first.

    A block is taught together with the down-sampler before it where nobody else reads the map between: a block with a
    shortcut around it adds that map to its own, so the two need the same channels. Left out are blocks of which the
    source has no counterpart, several of whose maps it would have to be, or some of whose inputs it does not read.

    Args:
        source: The source's table.
        design: The design's table.
        selections: Which channels the design took.
        fresh: Blocks of the design that begin fresh.
    """
    readers = Counter(part.name for one in _members(design) for part in one.inputs)
    writers = {one.outputs[0].name: one for one in _members(design) if len(one.outputs) == 1}
    claimed = set[str]()
    for block in reversed(design.blocks):
        if block not in fresh or block.role in claimed or len(block.outputs) != 1:
            continue
        members: list[Member] = [block]
        while (before := _before(members[0], readers, writers)) is not None and before.role in design.kinds:
            members.insert(0, before)
        found = _pair(source, tuple(members), selections)
        if found is not None:
            claimed.update(one.role for one in members)
            yield found


def _members(table: Table) -> Iterator[Member]:
    """All that writes maps of its own: depthwise layers do not."""
    yield from (layer for layer in table.layers if layer.kind != "depthwise")
    yield from table.blocks


def _before(member: Member, readers: Counter[str], writers: dict[str, Member]) -> Member | None:
    """What writes the map that a member reads, in the same part of the detector, where nobody else reads it."""
    if len(member.inputs) != 1 or readers[member.inputs[0].name] > 1:
        return None
    found = writers.get(member.inputs[0].name)
    return found if found is not None and found.section == member.section else None


def _pair(source: Table, members: tuple[Member, ...], selections: Selections) -> Stage | None:
    row, (out,) = members[0].role, members[-1].outputs
    first = next((one for one in _members(source) if source.row_of(one.role) == row), None)
    last = next((one for one in _members(source) if [part.name for part in one.outputs] == [out.name]), None)
    if first is None or last is None:
        return None
    read = [_rows(part, first.inputs, selections) for part in members[0].inputs]
    if any(rows is None for rows in read):
        return None
    written = selections.of(last.outputs[0].space, out.width).index
    return Stage(members, first, torch.cat([rows for rows in read if rows is not None]), last, written)


def _rows(part: Part, axis: tuple[Part, ...], selections: Selections) -> Tensor | None:
    """The source's channels that a part of an input is, on the axis that the source reads; None where it is not."""
    begin, theirs = next(((begin, read) for begin, read in offsets(axis) if read.name == part.name), (0, None))
    return None if theirs is None else begin + selections.of(theirs.space, part.width).index
