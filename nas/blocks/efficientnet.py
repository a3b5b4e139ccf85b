"""EfficientNetV2's two blocks (Tan and Le 2021, arXiv 2104.00298, section 3.2 and figure 2)."""

import torch
from torch import nn
from ultralytics.nn.modules.conv import Conv

from nas.blocks.inverted import InvertedResidual
from nas.blocks.parsed import ParsedAs
from nas.blocks.squeeze import SqueezeExcite


class MBConv(InvertedResidual, metaclass=ParsedAs, stock=Conv):
    """Inverted residual whose squeeze-and-excitation is sized by the input channels.

    Args:
        c1: Input channels.
        c2: Output channels.
        hidden: Channels of the depthwise convolution.
        s: Stride.
        k: Kernel of the depthwise convolution.
        se: Squeeze-and-excitation ratio of `c1`; 0 for none.
        act: True for the model's activation (the paper's: SiLU), False for none, or a module.
    """

    def __init__(
        self, c1: int, c2: int, hidden: int, s: int = 1, k: int = 3, se: float = 0.25, act: bool | nn.Module = True
    ) -> None:
        squeeze = SqueezeExcite(hidden, max(1, int(c1 * se)), nn.SiLU(), nn.Sigmoid()) if se else None
        super().__init__(c1, c2, hidden, s, k, squeeze, act)


class FusedMBConv(nn.Module, metaclass=ParsedAs, stock=Conv):
    """A full convolution in place of expansion and depthwise, then a 1x1 projection; for a network's early stages.

    Args:
        c1: Input channels.
        c2: Output channels.
        hidden: Channels of the full convolution; where it and `c2` equal `c1` and `s` is 1 there is that convolution
            alone, as in the paper's first stage.
        s: Stride.
        k: Kernel of the full convolution.
        act: True for the model's activation (the paper's: SiLU), False for none, or a module.
    """

    def __init__(self, c1: int, c2: int, hidden: int, s: int = 1, k: int = 3, act: bool | nn.Module = True) -> None:
        super().__init__()
        expands = s > 1 or not hidden == c1 == c2
        self.expand = Conv(c1, hidden if expands else c2, k, s, act=act)
        self.project = Conv(hidden, c2, 1, act=False) if expands else None
        self.residual = s == 1 and c1 == c2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c1, H, W) to (B, c2, ceil(H/s), ceil(W/s))."""
        out: torch.Tensor = self.expand(x)
        if self.project is not None:
            out = self.project(out)
        return x + out if self.residual else out
