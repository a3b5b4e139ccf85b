"""How Ultralytics' blocks are wired inside: their layers, the maps between them, and which maps a shortcut ties."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from ultralytics.nn.modules.block import C2PSA, C3, SPPF, Bottleneck, C2f, PSABlock
from ultralytics.nn.modules.conv import Conv

from nas.errors import ModelError
from nas.inherit.channel_spaces import Axis, Block, Heads, Kind, Layer, Part, Repeats, Table


class TableWriter:
    """Writes the layers of a detector's blocks into a table.

    Attributes:
        table: What is written.
    """

    def __init__(self, table: Table, kept: Mapping[str, Sequence[int]]) -> None:
        """Begin.

        Args:
            table: An empty table.
            kept: For a module that repeats, the number by which each of its blocks is called; by default in order.
        """
        self.table = table
        self._kept = kept

    def layer(
        self,
        role: str,
        module: Any,
        inputs: Axis,
        outputs: Axis,
        *,
        kind: Kind = "plain",
        heads: Heads | None = None,
        residual_of: str | None = None,
    ) -> None:
        """Write a convolution.

        Raises:
            ModelError: Its BatchNorm was folded away, or it is grouped in a way that no rule covers.
        """
        found = Layer(role, section_of(role), module, inputs, outputs, kind, heads, residual_of)
        conv = found.conv
        if isinstance(module, Conv) and not hasattr(module, "bn"):
            raise ModelError(f"{role} has no BatchNorm: the model is fused, give the checkpoint as it was trained")
        grouped = conv.groups if kind == "depthwise" else conv.groups * conv.in_channels
        if grouped != conv.in_channels:
            raise ModelError(f"{role} is a grouped convolution ({conv.groups} groups), for which there is no rule")
        self.table.layers.append(found)

    def depthwise(self, role: str, module: Any, channels: Axis) -> None:
        """Write a depthwise convolution: what it writes is tied to what it reads."""
        self.layer(role, module, (), channels, kind="depthwise")

    def block(self, role: str, module: Any, inputs: Axis, outputs: Axis) -> None:
        """Write a block that is not described."""
        self.kind(role, module)
        self.table.blocks.append(Block(role, section_of(role), module, inputs, outputs))

    def kind(self, role: str, module: Any) -> None:
        """Say what a row, or a branch of the head, is."""
        inner = module[0] if isinstance(module, nn.Sequential) else module
        self.table.kinds[role] = type(inner[0] if isinstance(inner, nn.Sequential) else inner).__name__

    def body(self, role: str, module: Any, inputs: Axis, name: str) -> Part:
        """Write a row of a detector.

        Args:
            role: Of the row.
            module: The row.
            inputs: What it reads.
            name: Of the map that it writes.

        Returns:
            That map.
        """
        width = channels_out(module)
        out = Part(name, name, width)
        self.kind(role, module)
        if isinstance(module, Conv):
            self.layer(role, module, inputs, (out,))
        elif isinstance(module, C2f) and _described(module):
            self._cross_stage(role, module, inputs, out)
        elif isinstance(module, SPPF):
            out = Part(name, inputs[0].space, width) if getattr(module, "add", False) else out
            self._pooling(role, module, inputs, out)
        elif isinstance(module, C2PSA):
            self._attention_stage(role, module, inputs, out)
        else:
            self.block(role, module, inputs, (out,))
        return out

    def _numbers(self, role: str, blocks: Sequence[Any]) -> Sequence[int]:
        return self._kept.get(role, range(len(blocks)))

    def _cross_stage(self, role: str, module: Any, inputs: Axis, out: Part) -> None:
        """C2f and C3k2: a half `a` that passes by, a half `b` through the repeats, all of them concatenated."""
        a, b = (Part(f"{role}.{half}", f"{role}.{half}", module.c) for half in "ab")
        self.layer(f"{role}.cv1", module.cv1, inputs, (a, b))
        parts, last, ends = [a, b], b, []
        for number, block in zip(self._numbers(role, module.m), module.m, strict=True):
            if isinstance(block, C3):
                last = self._c3(f"{role}.c3k.{number}", block, last)
            elif isinstance(block, Bottleneck):
                last = self._bottleneck(f"{role}.m.{number}", block, last)
                ends += [(f"{role}.m.{number}.cv2",)] if block.add else []
            else:
                last = self._bottleneck(f"{role}.attended.{number}", block[0], last)
                self._attend(f"{role}.attended.{number}.psa", block[1], last, f"{role}.cv1")
            parts.append(last)
        self.table.repeats[role] = Repeats(len(module.m), tuple(ends))
        self.layer(f"{role}.cv2", module.cv2, tuple(parts), (out,))

    def _bottleneck(self, role: str, module: Any, x: Part) -> Part:
        hidden = Part(f"{role}.hidden", f"{role}.hidden", channels_out(module.cv1))
        self.layer(f"{role}.cv1", module.cv1, (x,), (hidden,))
        out = Part(role, x.space if module.add else role, channels_out(module.cv2))
        self.layer(f"{role}.cv2", module.cv2, (hidden,), (out,))
        return out

    def _c3(self, role: str, module: Any, x: Part) -> Part:
        through, by = (Part(f"{role}.{path}", f"{role}.{path}", channels_out(module.cv1)) for path in ("through", "by"))
        self.layer(f"{role}.cv1", module.cv1, (x,), (through,))
        for number, block in enumerate(module.m):
            through = self._bottleneck(f"{role}.m.{number}", block, through)
        self.layer(f"{role}.cv2", module.cv2, (x,), (by,))
        out = Part(role, role, channels_out(module.cv3))
        self.layer(f"{role}.cv3", module.cv3, (through, by), (out,))
        return out

    def _pooling(self, role: str, module: Any, inputs: Axis, out: Part) -> None:
        """SPPF: one map and its poolings, all with the same channels."""
        hidden = channels_out(module.cv1)
        pools = module.cv2.conv.in_channels // hidden
        parts = tuple(Part(f"{role}.pool{number}", f"{role}.hidden", hidden) for number in range(pools))
        self.layer(f"{role}.cv1", module.cv1, inputs, parts[:1])
        self.layer(f"{role}.cv2", module.cv2, parts, (out,))

    def _attention_stage(self, role: str, module: Any, inputs: Axis, out: Part) -> None:
        """C2PSA: a half `a` that passes by, a half `b` to which attention and feed-forward layers add."""
        a, b = (Part(f"{role}.{half}", f"{role}.{half}", module.c) for half in "ab")
        self.layer(f"{role}.cv1", module.cv1, inputs, (a, b))
        ends = []
        for number, block in zip(self._numbers(role, module.m), module.m, strict=True):
            ends.append(self._attend(f"{role}.m.{number}", block, b, f"{role}.cv1"))
        self.table.repeats[role] = Repeats(len(module.m), tuple(ends))
        self.layer(f"{role}.cv2", module.cv2, (a, b), (out,))

    def _attend(self, role: str, module: Any, x: Part, around: str) -> tuple[str, str]:
        """PSABlock: what attention and the feed-forward layers add to a map; the layers that do."""
        attention, (widen, narrow) = module.attn, module.ffn
        heads = Heads(attention.num_heads, attention.key_dim, attention.head_dim)
        value = Part(f"{role}.value", f"{role}.value", heads.count * heads.values)
        self.layer(f"{role}.qkv", attention.qkv, (x,), (value,), kind="qkv", heads=heads)
        self.depthwise(f"{role}.pe", attention.pe, (value,))
        self.layer(f"{role}.proj", attention.proj, (value,), (x,), residual_of=around)
        hidden = Part(f"{role}.hidden", f"{role}.hidden", channels_out(widen))
        self.layer(f"{role}.ffn.0", widen, (x,), (hidden,))
        self.layer(f"{role}.ffn.1", narrow, (hidden,), (x,), residual_of=around)
        return f"{role}.proj", f"{role}.ffn.1"


def _described(module: Any) -> bool:
    """Whether the repeats of a C2f are ones that the table knows."""
    return all(
        isinstance(block, C3 | Bottleneck)
        or (isinstance(block, nn.Sequential) and [type(one) for one in block] == [Bottleneck, PSABlock])
        for block in module.m
    )


def channels_out(module: Any) -> int:
    """Output channels of a row: those of its last convolution, or what it says of itself.

    Args:
        module: A block, or several in sequence.

    Raises:
        ModelError: It is of a kind that no detector of this layout has.
    """
    if isinstance(module, nn.Sequential):
        return channels_out(module[-1])
    if isinstance(module, nn.Conv2d):
        return module.out_channels
    if hasattr(module, "ghost2"):
        return int(module.ghost2.c2)
    if hasattr(module, "dense"):
        return 2 * channels_out(module.dense)
    for name in ("cv3", "cv2", "conv", "join", "project", "pointwise", "series", "expand"):
        inner = getattr(module, name, None)
        if inner is not None:
            return channels_out(inner)
    raise ModelError(f"{type(module).__name__} is of another layout than YOLO11's: it has no role")


def section_of(role: str) -> str:
    """The part of a detector that a role belongs to: `stem`, `P3`, `c2psa`, `neck P4`, `head P3 boxes`, ..."""
    words = role.split(".")
    if words[0] == "head":
        return f"head {words[1]} {words[2]}"
    return f"neck {words[1]}" if words[0] == "neck" else words[0]
