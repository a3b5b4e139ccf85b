"""PP-LCNet's block (Cui et al. 2021, arXiv 2109.15099, section 3)."""

import torch
from torch import nn
from ultralytics.nn.modules.conv import Conv

from nas.blocks.parsed import ParsedAs
from nas.blocks.squeeze import SqueezeExcite


class LCNetBlock(nn.Module, metaclass=ParsedAs, stock=Conv):
    """Depthwise convolution, [squeeze-and-excitation], 1x1; no shortcut.

    Args:
        c1: Input channels.
        c2: Output channels.
        s: Stride.
        k: Kernel of the depthwise convolution (the paper's: 3 early, 5 late).
        se: Squeeze-and-excitation ratio (the paper's: 0.25 in the last stage), 0 for none.
        act: True for the model's activation (the paper's: h-swish), False for none, or a module.
    """

    def __init__(self, c1: int, c2: int, s: int = 1, k: int = 3, se: float = 0.0, act: bool | nn.Module = True) -> None:
        super().__init__()
        self.depthwise = Conv(c1, c1, k, s, g=c1, act=act)
        self.se = SqueezeExcite(c1, max(1, round(c1 * se))) if se else None
        self.pointwise = Conv(c1, c2, 1, act=act)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c1, H, W) to (B, c2, ceil(H/s), ceil(W/s))."""
        out = self.depthwise(x)
        if self.se is not None:
            out = self.se(out)
        projected: torch.Tensor = self.pointwise(out)
        return projected
