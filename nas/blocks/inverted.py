"""The inverted residual: expand, filter each channel, project (Sandler et al. 2018, arXiv 1801.04381, section 3.3)."""

import torch
from torch import nn
from ultralytics.nn.modules.conv import Conv


class InvertedResidual(nn.Module):
    """[1x1 expansion], depthwise convolution, [squeeze-and-excitation], 1x1 projection without activation.

    The input is added where stride and channels allow it. There is no expansion where `hidden` equals `c1`.

    Args:
        c1: Input channels.
        c2: Output channels.
        hidden: Channels of the depthwise convolution.
        s: Stride.
        k: Kernel of the depthwise convolution.
        se: Squeeze-and-excitation of the hidden channels, or None.
        act: True for the model's activation, False for none, or a module.
    """

    def __init__(
        self,
        c1: int,
        c2: int,
        hidden: int,
        s: int = 1,
        k: int = 3,
        se: nn.Module | None = None,
        act: bool | nn.Module = True,
    ) -> None:
        super().__init__()
        self.expand = Conv(c1, hidden, 1, act=act) if hidden != c1 else None
        self.depthwise = Conv(hidden, hidden, k, s, g=hidden, act=act)
        self.se = se
        self.project = Conv(hidden, c2, 1, act=False)
        self.residual = s == 1 and c1 == c2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c1, H, W) to (B, c2, ceil(H/s), ceil(W/s))."""
        out = x if self.expand is None else self.expand(x)
        out = self.depthwise(out)
        if self.se is not None:
            out = self.se(out)
        projected: torch.Tensor = self.project(out)
        return x + projected if self.residual else projected
