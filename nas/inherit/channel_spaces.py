"""Tied channel spaces: sets of channels that can only be chosen together, and the layers that they run through.

A map between two layers is a channel space. A shortcut ties the maps that it adds: they are one space. A concatenation
is no space of its own: it is a list of parts, each of one space.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["plain", "depthwise", "qkv", "boxes", "classes"]


@dataclass(frozen=True, slots=True)
class Part:
    """A map, as a part of what a layer reads or writes.

    Attributes:
        name: Which map it is; equal in two detectors for maps that correspond.
        space: Its channel space.
        width: Channels.
    """

    name: str
    space: str
    width: int


PICTURE = Part("picture", "picture", 3)
"""What the stem reads."""

Axis = tuple[Part, ...]
"""One axis of a layer's weight: the parts that are concatenated on it, in order."""


def offsets(axis: Axis) -> Iterator[tuple[int, Part]]:
    """Each part with the index of its first channel."""
    begin = 0
    for part in axis:
        yield begin, part
        begin += part.width


@dataclass(frozen=True, slots=True)
class Heads:
    """How the rows of an attention's `qkv` are laid out: for each head its queries, its keys and its values.

    Attributes:
        count: Heads.
        keys: Channels of the queries, and as many of the keys, of a head.
        values: Channels of the values of a head.
    """

    count: int
    keys: int
    values: int


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A convolution, with its BatchNorm where it has one.

    Attributes:
        role: What it does in the detector; equal in two detectors for layers that correspond.
        section: The part of the detector that it belongs to, for tables.
        module: Ultralytics' `Conv`, or torch's `Conv2d` at the end of a branch of the head.
        inputs: The axis of the weight's input channels; empty for a depthwise layer.
        outputs: The axis of its output channels; of `qkv` the values alone.
        kind: `plain`, `depthwise`, `qkv`, or the last of a box or a class branch.
        heads: Of `qkv`.
        residual_of: Where the layer's output is added to a map: the role of the first layer of the block around.
    """

    role: str
    section: str
    module: Any
    inputs: Axis
    outputs: Axis
    kind: Kind
    heads: Heads | None = None
    residual_of: str | None = None

    @property
    def conv(self) -> Any:
        """torch's convolution."""
        return self.module.conv if hasattr(self.module, "conv") else self.module

    @property
    def norm(self) -> Any:
        """The BatchNorm, or None."""
        return getattr(self.module, "bn", None)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A block whose inside has no layers that correspond to another family's.

    Attributes:
        role: What it does in the detector.
        section: The part of the detector that it belongs to.
        module: The block.
        inputs: What it reads.
        outputs: What it writes, a map each; none where it is a whole branch of the head.
    """

    role: str
    section: str
    module: Any
    inputs: Axis
    outputs: Axis


@dataclass(frozen=True, slots=True, eq=False)
class Repeats:
    """The blocks that a module repeats.

    Attributes:
        count: How many.
        ends: For each the layers that add to the map that runs through all of them; empty where a block replaces that
            map, and so depends on all blocks before it.
    """

    count: int
    ends: tuple[tuple[str, ...], ...] = ()


@dataclass(slots=True, eq=False)
class Table:
    """A detector as layers and blocks, each with its role and its channel spaces, in the order of the computation.

    Attributes:
        layers: The convolutions.
        blocks: What is not described as layers.
        repeats: By role of the module that repeats.
        kinds: What each row, and each branch of the head, is called.
        reg_max: Bins of a side's distance.
        nc: Classes.
    """

    reg_max: int
    nc: int
    layers: list[Layer] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    repeats: dict[str, Repeats] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)

    def by_role(self) -> Mapping[str, Layer]:
        """The layers by role; of one-to-one branches that took the others' roles, the others."""
        found: dict[str, Layer] = {}
        for layer in self.layers:
            found.setdefault(layer.role, layer)
        return found

    def row_of(self, role: str) -> str:
        """The row, or the branch of the head, that a role lies in."""
        return max((row for row in self.kinds if role == row or role.startswith(f"{row}.")), key=len)

    @property
    def spaces(self) -> dict[str, int]:
        """Channels of every space."""
        every: list[Layer | Block] = [*self.layers, *self.blocks]
        return {part.space: part.width for one in every for part in (*one.inputs, *one.outputs)}
