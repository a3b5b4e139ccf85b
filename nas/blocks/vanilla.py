"""VanillaNet's block (Chen et al. 2023, arXiv 2305.12972, sections 3 and 4): depth at training that merges away.

Two 1x1 convolutions have an activation between them that is annealed to the identity during training, so that both
merge into one. What follows is a ReLU and a learnt combination of its neighbourhood (the series activation): a
depthwise convolution with its BatchNorm, at training as after it.
"""

import torch
from torch import nn
from ultralytics.nn.modules.conv import Conv, RepConv

from nas.blocks.parsed import ParsedAs
from nas.blocks.reparam import filled, folded

_ALMOST = 1.0 - 1e-6


class AnnealedPair(RepConv):  # type: ignore[misc]
    """1x1, leaky ReLU whose slope grows to 1, 1x1; one 1x1 once fused, when the slope has arrived.

    A `RepConv`, so that Ultralytics' `fuse()` merges it. The slope is 1 until a training anneals it from 0, so that an
    untrained design is the one that will be deployed. Fused in the midst of that, both convolutions stay.

    Args:
        c1: Input channels.
        c2: Output channels.
    """

    def __init__(self, c1: int, c2: int) -> None:
        nn.Module.__init__(self)
        self.conv1 = Conv(c1, c1, 1, act=False)
        self.conv2 = Conv(c1, c2, 1, act=False)
        self.register_buffer("slope", torch.ones(()))
        self.act = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c1, H, W) to (B, c2, H, W)."""
        between = self.conv1(x)
        between = torch.maximum(between, torch.zeros_like(between)) + self.slope * between.clamp(max=0)
        out: torch.Tensor = self.conv2(between)
        return out

    def fuse_convs(self) -> None:
        """Fold the BatchNorms, and merge both convolutions where nothing is between them any more."""
        if hasattr(self, "conv"):
            return
        (first, offset), (second, shift) = folded(self.conv1), folded(self.conv2)
        slope, like = float(self.slope), next(self.parameters())
        if slope >= _ALMOST:
            weight = torch.einsum("omhw,mihw->oihw", second, first)
            merged: nn.Module = _pointwise(weight, second[:, :, 0, 0] @ offset + shift, like)
        else:
            between = nn.LeakyReLU(slope)
            merged = nn.Sequential(_pointwise(first, offset, like), between, _pointwise(second, shift, like))
        self.conv = merged
        del self.conv1, self.conv2


def _pointwise(weight: torch.Tensor, bias: torch.Tensor, like: torch.Tensor) -> nn.Conv2d:
    return filled(nn.Conv2d(weight.shape[1], weight.shape[0], 1), weight, bias, like)


class VanillaBlock(nn.Module, metaclass=ParsedAs, stock=Conv):
    """Two 1x1 that merge, [2x2 max pooling], ReLU, depthwise convolution; no shortcut.

    Args:
        c1: Input channels.
        c2: Output channels.
        s: Stride, 1 or 2; the pooling's.
        k: Kernel of the series activation (the paper's: 7).
    """

    def __init__(self, c1: int, c2: int, s: int = 1, k: int = 7) -> None:
        super().__init__()
        self.pair = AnnealedPair(c1, c2)
        # The border is kept on odd maps, as a strided convolution does.
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True) if s > 1 else None
        self.relu = nn.ReLU()
        self.series = Conv(c2, c2, k, g=c2, act=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c1, H, W) to (B, c2, ceil(H/s), ceil(W/s))."""
        out = self.pair(x)
        if self.pool is not None:
            out = self.pool(out)
        combined: torch.Tensor = self.series(self.relu(out))
        return combined


ANNEALED_IN = 1 / 3
"""Share of a training in which the activations between become the identity."""


def anneal(model: nn.Module, share: float) -> None:
    """Set how far the training has come.

    Args:
        model: Any module; without VanillaNet's blocks nothing happens.
        share: 0 at the beginning of the training, 1 from where the activations between are the identity.
    """
    for module in model.modules():
        if isinstance(module, AnnealedPair) and not hasattr(module, "conv"):
            module.slope.fill_(min(max(share, 0.0), 1.0))
