"""Which of a parent's weights a smaller net takes: the rules, block by block.

A cut keeps a prefix of each half of a map: a ghost module's output is [primary | cheap], and its cheap channel i is
made of its primary channel i, so the first channels of both halves belong together. Every row's output is cut like
that, whatever made it, so that shortcuts add what belongs together. Inside a block that has no halves a plain prefix
is kept; kernels are cropped around their centre; depth loses its last repeats. A cut is made of indices alone: the
weights themselves stay where they are, so a gradient through the smaller net reaches the parent's.

Slimming by prefixes: Yu et al. 2019 (slimmable networks), arXiv 1812.08928; kernels and depth: Cai et al. 2020
(once-for-all), arXiv 1908.09791, section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from ultralytics.nn.modules.block import C2PSA, C3, SPPF, Attention, Bottleneck, C2f, PSABlock
from ultralytics.nn.modules.conv import Concat, Conv
from ultralytics.nn.modules.head import Detect

from nas.blocks.bottleneck import GhostBottleneckV2
from nas.blocks.ghost import GhostModule
from nas.blocks.squeeze import SqueezeExcite


@dataclass(frozen=True, slots=True)
class Taken:
    """One tensor of a smaller net: a parent's parameter, and what of it, an index a dimension."""

    name: str
    source: nn.Parameter
    indices: tuple[Tensor, ...]

    def value(self) -> Tensor:
        """The cut, through which a gradient flows."""
        cut: Tensor = self.source
        for dimension, index in enumerate(self.indices):
            if len(index) != cut.shape[dimension] or not torch.equal(index, torch.arange(len(index))):
                cut = cut.index_select(dimension, index.to(cut.device))
        return cut


def halves(width: int, full: int) -> Tensor:
    """A prefix of each half of `full` channels; of an odd number the first half has one more."""
    first = -(-width // 2)
    return torch.cat((torch.arange(first), -(-full // 2) + torch.arange(width - first)))


def blocks(width: int, full: int, count: int) -> Tensor:
    """A prefix of each of the first `count` parts of `full` channels."""
    return torch.cat([part * full + torch.arange(width) for part in range(count)])


class Cut:
    """Collects what a smaller net takes. Channels are told by their index in the parent's map."""

    def __init__(self, model: nn.Module) -> None:
        """Begin.

        Args:
            model: The smaller net.
        """
        self.taken: list[Taken] = []
        self._names = {id(parameter): name for name, parameter in model.named_parameters()}

    def _take(self, mine: Any, source: Any, *indices: Tensor) -> None:
        shape = tuple(len(index) for index in indices)
        assert shape == tuple(mine.shape), f"{self._names[id(mine)]}: {shape} taken for {tuple(mine.shape)}"
        self.taken.append(Taken(self._names[id(mine)], source, indices))

    def conv(self, mine: Any, source: Any, ins: Tensor, outs: Tensor) -> Tensor:
        """A convolution, with its BatchNorm where it is Ultralytics' `Conv`; returns the channels that come out."""
        inner, outer = (mine.conv, source.conv) if isinstance(mine, Conv) else (mine, source)
        kernel = [
            (full - own) // 2 + torch.arange(own)
            for own, full in zip(inner.kernel_size, outer.kernel_size, strict=True)
        ]
        within = torch.arange(1) if inner.groups > 1 else ins
        self._take(inner.weight, outer.weight, outs, within, *kernel)
        if inner.bias is not None:
            self._take(inner.bias, outer.bias, outs)
        if isinstance(mine, Conv):
            self._take(mine.bn.weight, source.bn.weight, outs)
            self._take(mine.bn.bias, source.bn.bias, outs)
        return outs

    def ghost(self, mine: GhostModule, source: GhostModule, ins: Tensor) -> Tensor:
        """A ghost module, with or without DFC attention."""
        primary, other_primary = (cast("Any", ghost.primary_conv) for ghost in (mine, source))
        count, full = primary.conv.out_channels, other_primary.conv.out_channels
        first = self.conv(mine.primary_conv, source.primary_conv, ins, torch.arange(count))
        outs = torch.cat((first, full + torch.arange(mine.c2 - count)))
        if mine.cheap_operation is not None:
            self.conv(mine.cheap_operation, source.cheap_operation, first, torch.arange(mine.c2 - count))
        own, other = getattr(mine, "dfc", None), getattr(source, "dfc", None)
        if own is not None:
            assert other is not None
            self.conv(own.reduce, other.reduce, ins, outs)
            self.conv(own.horizontal, other.horizontal, outs, outs)
            self.conv(own.vertical, other.vertical, outs, outs)
        return outs

    def ghost_bottleneck(self, mine: Any, source: Any, ins: Tensor) -> Tensor:
        """A ghost bottleneck."""
        inner = self.ghost(mine.ghost1, source.ghost1, ins)
        if mine.depthwise is not None:
            self.conv(mine.depthwise, source.depthwise, inner, inner)
        if mine.se is not None:
            self._squeeze(mine.se, source.se, inner)
        outs = self.ghost(mine.ghost2, source.ghost2, inner)
        if mine.shortcut is not None:
            self.conv(mine.shortcut[0], source.shortcut[0], ins, ins)
            self.conv(mine.shortcut[1], source.shortcut[1], ins, outs)
        return outs

    def _squeeze(self, mine: SqueezeExcite, source: SqueezeExcite, channels: Tensor) -> None:
        hidden = self.conv(mine.conv_reduce, source.conv_reduce, channels, torch.arange(mine.conv_reduce.out_channels))
        self.conv(mine.conv_expand, source.conv_expand, hidden, channels)

    def bottleneck(self, mine: Bottleneck, source: Bottleneck, ins: Tensor) -> Tensor:
        """Ultralytics' bottleneck: two convolutions."""
        hidden = self.conv(mine.cv1, source.cv1, ins, torch.arange(mine.cv1.conv.out_channels))
        return self.conv(mine.cv2, source.cv2, hidden, torch.arange(mine.cv2.conv.out_channels))

    def c3(self, mine: C3, source: C3, ins: Tensor) -> Tensor:
        """A C3 or C3k, its output a plain prefix."""
        own, full = mine.cv1.conv.out_channels, source.cv1.conv.out_channels
        hidden = self.conv(mine.cv1, source.cv1, ins, torch.arange(own))
        self.conv(mine.cv2, source.cv2, ins, torch.arange(own))
        for inner, outer in zip(mine.m, source.m, strict=True):
            hidden = self.bottleneck(inner, outer, hidden)
        return self.conv(mine.cv3, source.cv3, blocks(own, full, 2), torch.arange(mine.cv3.conv.out_channels))

    def c2f(self, mine: C2f, source: C2f, ins: Tensor) -> Tensor:
        """A C3k2, without its last repeats where the smaller net has fewer."""
        own, full = mine.c, source.c
        self.conv(mine.cv1, source.cv1, ins, blocks(own, full, 2))
        hidden = torch.arange(own)
        for inner, outer in zip(mine.m, source.m, strict=False):
            hidden = self.c3(inner, outer, hidden) if isinstance(inner, C3) else self.bottleneck(inner, outer, hidden)
        return self._last(mine.cv2, source.cv2, blocks(own, full, 2 + len(mine.m)))

    def sppf(self, mine: SPPF, source: SPPF, ins: Tensor) -> Tensor:
        """Pooling of several sizes."""
        own, full = mine.cv1.conv.out_channels, source.cv1.conv.out_channels
        self.conv(mine.cv1, source.cv1, ins, torch.arange(own))
        return self._last(mine.cv2, source.cv2, blocks(own, full, mine.cv2.conv.in_channels // own))

    def c2psa(self, mine: C2PSA, source: C2PSA, ins: Tensor) -> Tensor:
        """Position-sensitive attention."""
        own, full = mine.c, source.c
        self.conv(mine.cv1, source.cv1, ins, blocks(own, full, 2))
        channels = torch.arange(own)
        for inner, outer in zip(mine.m, source.m, strict=True):
            self._attention_block(inner, outer, channels)
        return self._last(mine.cv2, source.cv2, blocks(own, full, 2))

    def _attention_block(self, mine: PSABlock, source: PSABlock, channels: Tensor) -> None:
        own, other = mine.attn, source.attn
        query, key, value = (_flat(other, place) for place in range(3))
        outs = []
        for head in range(own.num_heads):
            narrow = slice(head * own.key_dim, (head + 1) * own.key_dim)
            wide = slice(head * own.head_dim, (head + 1) * own.head_dim)
            outs += [query[narrow], key[narrow], value[wide]]
        self.conv(own.qkv, other.qkv, channels, torch.cat(outs))
        self.conv(own.pe, other.pe, channels, channels)
        self.conv(own.proj, other.proj, channels, channels)
        hidden = torch.arange(mine.ffn[0].conv.out_channels)
        self.conv(mine.ffn[0], source.ffn[0], channels, hidden)
        self.conv(mine.ffn[1], source.ffn[1], hidden, channels)

    def detect(self, mine: Any, source: Any, ins: Sequence[Tensor], undivided: Any = None) -> None:
        """The head; with another number of bins a side, the first ones of each.

        Args:
            mine: The smaller net's head.
            source: The parent's.
            ins: Channels of each map.
            undivided: Where `mine` has no bins, the parent's head without bins, whose last convolutions are taken.
        """
        divided = source if undivided is None else undivided
        bins = blocks(mine.reg_max, divided.reg_max, 4)
        classes = torch.arange(mine.nc)
        for level, channels in enumerate(ins):
            boxes, other = mine.cv2[level], source.cv2[level]
            hidden = channels
            for own, outer in zip(boxes[:2], other[:2], strict=True):
                hidden = self.conv(own, outer, hidden, torch.arange(own.conv.out_channels))
            self.conv(boxes[2], divided.cv2[level][2], hidden, bins)
            kinds, other = mine.cv3[level], source.cv3[level]
            hidden = channels
            for own, outer in zip(kinds[:2], other[:2], strict=True):
                self.conv(own[0], outer[0], hidden, hidden)
                hidden = self.conv(own[1], outer[1], hidden, torch.arange(own[1].conv.out_channels))
            self.conv(kinds[2], other[2], hidden, classes)

    def _last(self, mine: Conv, source: Conv, ins: Tensor) -> Tensor:
        """A row's last convolution, whose output is cut by halves."""
        return self.conv(mine, source, ins, halves(mine.conv.out_channels, source.conv.out_channels))

    def row(self, mine: nn.Module, source: nn.Module, ins: Tensor) -> Tensor:
        """A row with one input."""
        if isinstance(mine, GhostBottleneckV2):
            return self.ghost_bottleneck(mine, source[0] if isinstance(source, nn.Sequential) else source, ins)
        if isinstance(mine, nn.Sequential):
            for inner, outer in zip(mine, source, strict=False):  # type: ignore[call-overload]
                ins = self.row(inner, outer, ins)
            return ins
        if isinstance(mine, Conv):
            return self._last(mine, source, ins)
        for kind, rule in ((C2f, self.c2f), (SPPF, self.sppf), (C2PSA, self.c2psa)):
            if isinstance(mine, kind):
                return rule(mine, source, ins)
        raise TypeError(f"no rule cuts a {type(mine).__name__}")


def _flat(attention: Attention, place: int) -> Tensor:
    """The rows of qkv that hold the queries (0), the keys (1) or the values (2) of all heads, one after the other."""
    sizes = (attention.key_dim, attention.key_dim, attention.head_dim)
    begin, whole = sum(sizes[:place]), sum(sizes)
    return torch.cat([head * whole + begin + torch.arange(sizes[place]) for head in range(attention.num_heads)])


def takes_no_weights(row: nn.Module) -> bool:
    """Whether a row only passes maps on."""
    return isinstance(row, nn.Upsample | Concat)


def is_head(row: nn.Module) -> bool:
    """Whether a row is the detection head."""
    return isinstance(row, Detect)
