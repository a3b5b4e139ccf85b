"""Convolutions taken apart by channels, for inference.

A 1x1 convolution of a concat is the sum of one 1x1 a map, and a 1x1 convolution commutes with enlarging by nearest
neighbour: W (up(a) | b) = up(W_a a) + W_b b, with a quarter of the work for a and no concat written to memory.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

EVERYTHING = slice(None)


def part(conv: nn.Conv2d, outputs: slice = EVERYTHING, inputs: slice = EVERYTHING, bias: bool = True) -> nn.Conv2d:
    """A convolution with some of the output channels, of a dense one some of the input channels too.

    Args:
        conv: A dense (one group) or depthwise convolution with a bias.
        outputs: Output channels to keep.
        inputs: Input channels to keep; a depthwise convolution keeps those of its outputs.
        bias: Whether to keep the bias.
    """
    assert conv.bias is not None
    weight = conv.weight.detach()[outputs][:, inputs]
    channels, taken = weight.shape[:2]
    depthwise = conv.groups > 1
    kept = nn.Conv2d(
        channels if depthwise else taken,
        channels,
        conv.kernel_size,  # type: ignore[arg-type]  # a pair, as it was given
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        groups=channels if depthwise else 1,
        bias=bias,
        device=weight.device,
        dtype=weight.dtype,
    )
    kept.weight.data = weight.clone()
    if kept.bias is not None:
        kept.bias.data = conv.bias.detach()[outputs].clone()
    return kept.requires_grad_(False)


def is_a(module: nn.Module, name: str) -> bool:
    """Whether a module is of the class of that name or a descendant.

    By name, because a checkpoint that was trained from a bundle has the bundle's own copy of the class.
    """
    return any(kind.__name__ == name for kind in type(module).__mro__)


def enlarged(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A map at the size of another, by nearest neighbour."""
    # Plain integers: an exported graph then holds constants instead of shape arithmetic.
    size = int(like.shape[-2]), int(like.shape[-1])
    return x if (int(x.shape[-2]), int(x.shape[-1])) == size else F.interpolate(x, size=size, mode="nearest")


class JoinedConv(nn.Module):
    """A 1x1 convolution of maps that need not be joined before, nor brought to one size.

    Args:
        conv: The 1x1 convolution of the concat.
        act: What follows it.
        widths: Channels of the maps, in the order of the concat.
        outputs: Output channels to keep.
    """

    def __init__(self, conv: nn.Conv2d, act: nn.Module, widths: Sequence[int], outputs: slice = EVERYTHING) -> None:
        super().__init__()
        assert sum(widths) == conv.in_channels and conv.groups == 1, f"{widths} of {conv}"
        starts = [sum(widths[:index]) for index in range(len(widths))]
        self.parts = nn.ModuleList(
            part(conv, outputs, slice(start, start + width), bias=start == 0)
            for start, width in zip(starts, widths, strict=True)
        )
        self.act = act

    def forward(self, *maps: torch.Tensor) -> torch.Tensor:
        """Maps (B, width, H, W), of which the smaller ones are enlarged, to (B, outputs, H, W)."""
        largest = max(maps, key=lambda one: int(one.shape[-2]) * int(one.shape[-1]))
        first, *others = (enlarged(conv(x), largest) for conv, x in zip(self.parts, maps, strict=True))
        out = first
        for other in others:
            out = out + other
        activated: torch.Tensor = self.act(out)
        return activated
