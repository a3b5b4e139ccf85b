"""GSConv and the modules of Slim Neck (Li et al. 2022, arXiv 2206.02424, sections 3.1 and 3.2)."""

import torch
from torch import nn
from ultralytics.nn.modules.conv import Conv

from nas.blocks.parsed import ParsedAs


class GSConv(nn.Module, metaclass=ParsedAs, stock=Conv):
    """Half of the channels from a convolution, half from a depthwise 5x5 of those, shuffled.

    Args:
        c1: Input channels.
        c2: Output channels, even.
        k: Kernel of the convolution.
        s: Its stride.
        act: True for the model's activation, False for none, or a module.
    """

    def __init__(self, c1: int, c2: int, k: int = 1, s: int = 1, act: bool | nn.Module = True) -> None:
        super().__init__()
        self.dense = Conv(c1, c2 // 2, k, s, act=act)
        self.depthwise = Conv(c2 // 2, c2 // 2, 5, g=c2 // 2, act=act)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c1, H, W) to (B, c2, ceil(H/s), ceil(W/s))."""
        dense = self.dense(x)
        # Stacked as pairs, so that the channels of both halves alternate: the shuffle of two groups.
        return torch.stack((dense, self.depthwise(dense)), 2).flatten(1, 2)


class GSBottleneck(nn.Module):
    """Two GSConv beside a 1x1 shortcut.

    Args:
        c: Input, hidden and output channels.
    """

    def __init__(self, c: int) -> None:
        super().__init__()
        self.light = nn.Sequential(GSConv(c, c), GSConv(c, c, 3, act=False))
        self.shortcut = Conv(c, c, 1, act=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c, H, W) to (B, c, H, W)."""
        out: torch.Tensor = self.light(x) + self.shortcut(x)
        return out


class VoVGSCSP(nn.Module, metaclass=ParsedAs, stock=Conv):
    """Cross-stage part with a GSBottleneck: half of the channels pass it, half pass it by.

    Args:
        c1: Input channels.
        c2: Output channels, a multiple of 4.
    """

    def __init__(self, c1: int, c2: int) -> None:
        super().__init__()
        self.through = Conv(c1, c2 // 2, 1)
        self.by = Conv(c1, c2 // 2, 1)
        self.bottleneck = GSBottleneck(c2 // 2)
        self.join = Conv(c2, c2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c1, H, W) to (B, c2, H, W)."""
        out: torch.Tensor = self.join(torch.cat((self.by(x), self.bottleneck(self.through(x))), 1))
        return out
