"""Cross-stage blocks (C3k2, C2f, C2PSA, VoVGSCSP) whose two branches have a 1x1 convolution each.

Ultralytics computes both branches in one 1x1 and cuts the result; a cut of a map in a runtime's blocked layout costs
two conversions of it. And where the input is a concat with an enlarged map, as in a neck, there is no need for either.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from ultralytics.nn.modules.block import C2PSA, C2f
from ultralytics.nn.modules.conv import Conv

from nas.model.rewrite.split_convs import JoinedConv, is_a


class CrossStage(nn.Module):
    """A branch that passes by, and one through some modules; all that is kept goes into the last 1x1.

    Args:
        by: The 1x1 of the branch that passes by.
        through: The 1x1 of the other.
        inner: Modules that the other branch passes.
        last: Convolution of the concat of what is kept.
        keeps: Whether what enters each inner module is kept, too.
    """

    def __init__(
        self, by: JoinedConv, through: JoinedConv, inner: Sequence[nn.Module], last: Conv, keeps: bool
    ) -> None:
        super().__init__()
        self.by, self.through, self.inner, self.last = by, through, nn.ModuleList(inner), last
        self.keeps = keeps

    def forward(self, x: torch.Tensor | list[torch.Tensor]) -> torch.Tensor:
        """A map, or several that would have been joined (smaller ones are enlarged), to the block's output."""
        maps = x if isinstance(x, list) else [x]
        kept = [self.by(*maps), self.through(*maps)]
        for module in self.inner:
            out = module(kept[-1])
            kept = [*kept, out] if self.keeps else [*kept[:-1], out]
        joined: torch.Tensor = self.last(torch.cat(kept, 1))
        return joined


def cross_stage(module: Any, widths: Sequence[int]) -> CrossStage | None:
    """A block in two branches, for an input that comes as maps of those widths; None for any other block."""
    if is_a(module, "VoVGSCSP"):
        by, through = (JoinedConv(conv.conv, conv.act, widths) for conv in (module.by, module.through))
        return CrossStage(by, through, [module.bottleneck], module.join, keeps=False)
    # Other descendants have forwards of their own.
    if isinstance(module, C2f | C2PSA) and type(module).forward in (C2f.forward, C2PSA.forward):
        keeps = isinstance(module, C2f)
        cut = module.c
        by, through = (
            JoinedConv(module.cv1.conv, module.cv1.act, widths, half) for half in (slice(cut), slice(cut, None))
        )
        return CrossStage(by, through, list(module.m), module.cv2, keeps)
    return None
