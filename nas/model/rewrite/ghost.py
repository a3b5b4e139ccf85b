"""Ghost bottlenecks whose wide inner map stays in two halves, primary and cheap, and is never joined.

Between its two ghost modules all is channelwise (attention, stride, squeeze-and-excitation) up to a 1x1 convolution of
the concat, which is a sum of two. It pays where the map is too large for the processor's cache.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from nas.model.rewrite.split_convs import JoinedConv, enlarged, part

LARGE = 200_000
"""Values of an inner map from which on the concat costs more than the additional nodes (docs/development/log.md)."""


class Attention(nn.Module):
    """DFC attention for some of the channels, on a map that is pooled already."""

    def __init__(self, dfc: Any, channels: slice) -> None:
        super().__init__()
        convs = (dfc.reduce, dfc.horizontal, dfc.vertical)
        self.convs = nn.Sequential(*(part(conv.conv, channels) for conv in convs))

    def forward(self, x: torch.Tensor, pooled: torch.Tensor) -> torch.Tensor:
        """The map x (B, C, H, W), weighted."""
        return x * enlarged(self.convs(pooled).sigmoid(), x)


class HalvedBottleneck(nn.Module):
    """A fused ghost bottleneck without the first concat.

    Args:
        block: The bottleneck; its first ghost module has a cheap operation and no surplus channels.
    """

    def __init__(self, block: Any) -> None:
        super().__init__()
        ghost: Any = block.ghost1
        cut: int = ghost.primary_conv.conv.out_channels
        halves = slice(cut), slice(cut, None)
        self.primary, self.cheap = ghost.primary_conv, ghost.cheap_operation
        dfc: Any = getattr(ghost, "dfc", None)
        self.pool = dfc.factor if dfc is not None else 0
        self.attentions = nn.ModuleList(Attention(dfc, half) for half in halves) if dfc is not None else None
        depthwise: Any = block.depthwise
        self.strides = None if depthwise is None else nn.ModuleList(part(depthwise.conv, half) for half in halves)
        self.se = block.se
        self.widths = [cut, int(ghost.c2) - cut]
        self.ghost2 = block.ghost2
        primary: Any = self.ghost2.primary_conv
        self.ghost2.primary_conv = JoinedConv(primary.conv, primary.act, self.widths)
        self.shortcut = block.shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c1, H, W) to (B, c2, ceil(H/s), ceil(W/s))."""
        primary = self.primary(x)
        halves = [primary, self.cheap(primary)]
        if self.attentions is not None:
            window = min(self.pool, int(x.shape[-2])), min(self.pool, int(x.shape[-1]))
            pooled = F.avg_pool2d(x, window) if self.pool > 1 else x
            halves = [attention(half, pooled) for attention, half in zip(self.attentions, halves, strict=True)]
        if self.strides is not None:
            halves = [stride(half) for stride, half in zip(self.strides, halves, strict=True)]
        if self.se is not None:
            mean = torch.cat([F.adaptive_avg_pool2d(half, 1) for half in halves], 1)  # (B, hidden, 1, 1)
            weights = torch.split(self.se.weights(mean), self.widths, 1)
            halves = [half * weight for half, weight in zip(halves, weights, strict=True)]
        intrinsic = self.ghost2.primary_conv(*halves)
        out: torch.Tensor = self.ghost2.expanded(intrinsic)
        return out + (x if self.shortcut is None else self.shortcut(x))


def halved(block: Any, positions: int) -> HalvedBottleneck | None:
    """The bottleneck without its first concat, where its inner map is large; else None.

    Args:
        block: A fused `GhostBottleneckV2` (or V3).
        positions: Height times width of its input.
    """
    ghost = block.ghost1
    splits = ghost.cheap_operation is not None and not ghost.surplus
    return HalvedBottleneck(block) if splits and ghost.c2 * positions >= LARGE else None
