"""What a stage of another family begins with, before it learns: the mean and the spread of the source's map.

A fresh BatchNorm writes channels with mean 0 and spread 1, whatever stands there in the source.
"""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from ultralytics.nn.modules.conv import Conv

from nas.inherit.channel_spaces import Layer
from nas.inherit.repair import POSITIONS, fit
from nas.inherit.stage_pairs import Stage

_AROUND = 0.2  # spread of what a block adds to a shortcut at first, as a share of the stage's


@torch.no_grad()
def begin(stage: Stage, read: Tensor, written: Tensor, raw: Tensor | None) -> None:
    """Give what a stage writes the mean and the spread of the source's map.

    Blocks that add to what they read add little at first: the block or the down-sampler before them is what has that
    mean and spread. Families that nobody described here keep their fresh BatchNorm.

    Args:
        stage: The stage; its modules are changed in place.
        read: (B, C, H, W) what it is to read.
        written: (B, C', H', W') what it is to write.
        raw: What the source's last convolution writes there, before its BatchNorm; None where a block ends its stage.
    """
    mean, spread = written.mean((0, 2, 3)), written.std((0, 2, 3))
    modules = [one.module for one in stage.members]
    blocks = [one for module in modules for one in (module if isinstance(module, nn.Sequential) else [module])]
    while blocks and _adds(blocks[-1]):
        _put(blocks.pop(), mean * 0, spread * _AROUND)
    if len(blocks) == 1 and isinstance(blocks[0], Conv) and raw is not None:
        _fit_down(blocks[0], stage, read, raw)
    elif blocks:
        _put(blocks[-1], mean, spread)


@torch.no_grad()
def raw_maps(stages: Sequence[Stage], source: Any, images: Tensor) -> dict[str, Tensor]:
    """What the convolutions write that end the source's stages, before their BatchNorms, by the stage's role.

    Args:
        stages: Of a design.
        source: The source's model.
        images: (B, 3, S, S)
    """
    found = dict[str, Tensor]()
    with ExitStack() as hooks:
        for one in stages:
            if isinstance(one.last, Layer):

                def writes(_: nn.Module, __: Any, out: Tensor, one: Stage = one) -> None:
                    found[one.role] = out[:, one.written]

                hooks.callback(one.last.conv.register_forward_hook(writes).remove)
        source(images)
    return found


def _fit_down(down: Any, stage: Stage, read: Tensor, raw: Tensor) -> None:
    """Let a down-sampler compute the whole stage as well as one convolution can."""
    rows = raw.permute(0, 2, 3, 1).flatten(0, 2)
    at = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:POSITIONS]
    fit(down.conv, read, at, rows[at])
    for name in ("weight", "bias"):
        getattr(down.bn, name).copy_(getattr(stage.last.module.bn, name)[stage.written])


def _adds(block: Any) -> bool:
    """Whether a block adds what it computes to what it reads."""
    if hasattr(block, "ghost2"):
        return block.shortcut is None
    return bool(getattr(block, "residual", False))


def _put(block: Any, mean: Tensor, spread: Tensor) -> None:
    """Set the last BatchNorms of a block; those of branches that are added share mean and variance."""
    branches = _last_norms(block)
    for norms in branches:
        begin = 0
        for norm in norms:
            part = slice(begin, begin + len(norm.weight))
            kept = len(spread[part])  # ghost modules of uneven widths drop their last channels
            norm.weight[:kept] = spread[part] / math.sqrt(len(branches))
            norm.bias[:kept] = mean[part] / len(branches)
            begin += len(norm.weight)


def _last_norms(block: Any) -> list[list[Any]]:
    """The BatchNorms behind which a block adds its branches; of each branch those whose channels are concatenated."""
    if isinstance(block, Conv):
        return [[block.bn]]
    if hasattr(block, "ghost2"):
        return _last_norms(block.ghost2) + ([] if block.shortcut is None else _last_norms(block.shortcut[-1]))
    if hasattr(block, "primary_conv"):
        first = _last_norms(block.primary_conv)
        rest = [[]] * len(first) if block.cheap_operation is None else _last_norms(block.cheap_operation)
        return [ours + theirs for ours, theirs in zip(first, rest, strict=True)]
    if hasattr(block, "conv1") and isinstance(block.conv1, nn.ModuleList):  # they merge when the model is fused
        return [[one.bn] for one in block.conv1]
    inner = [getattr(block, name, None) for name in ("project", "pointwise", "series")]
    return next((_last_norms(one) for one in inner if one is not None), [])
