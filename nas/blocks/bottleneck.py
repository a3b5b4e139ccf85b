"""The GhostNetV2 bottleneck.

Tang et al. 2022, arXiv 2211.12905, figure 4; squeeze-and-excitation as in GhostNet, arXiv 1911.11907, section
3.3.
"""

import torch
from torch import nn
from ultralytics.nn.modules.conv import Conv

from nas.blocks.ghost import GhostModule, GhostModuleV2
from nas.blocks.parsed import ParsedAs
from nas.blocks.squeeze import SqueezeExcite, divisible


class GhostBottleneckV2(nn.Module, metaclass=ParsedAs, stock=Conv):
    """Ghost module (with DFC attention), [depthwise, stride 2], [SE], ghost module, shortcut.

    With stride 1 and equal channels `k` has no effect: the local kernel is the cheap operation's 3x3.

    Args:
        c1: Input channels.
        c2: Output channels.
        hidden: Channels between the two ghost modules.
        s: Stride, 1 or 2.
        k: Kernel of the strided depthwise convolution and of the shortcut's.
        dfc_kernel: Odd kernel of the DFC attention; 0 for none, which is GhostNet's (V1) bottleneck.
        dfc_pool: Down-sampling factor of the DFC attention.
        se: Squeeze-and-excitation ratio, rounded to multiples of 4; 0 for none.
        ratio: Output channels per primary channel of both ghost modules.
        act: True for the model's activation, False for none, or a module.
    """

    plain: type[GhostModule] = GhostModule
    attentive: type[GhostModuleV2] = GhostModuleV2
    convolution: type[nn.Module] = Conv

    def __init__(
        self,
        c1: int,
        c2: int,
        hidden: int,
        s: int = 1,
        k: int = 3,
        dfc_kernel: int = 5,
        dfc_pool: int = 2,
        se: float = 0.0,
        ratio: int = 2,
        act: bool | nn.Module = True,
    ) -> None:
        super().__init__()
        self.ghost1 = (
            self.attentive(c1, hidden, ratio=ratio, act=act, dfc_kernel=dfc_kernel, dfc_pool=dfc_pool)
            if dfc_kernel
            else self.plain(c1, hidden, ratio=ratio, act=act)
        )
        self.depthwise = self.convolution(hidden, hidden, k, s, g=hidden, act=False) if s > 1 else None
        self.se = SqueezeExcite(hidden, divisible(hidden * se, 4)) if se else None
        self.ghost2 = self.plain(hidden, c2, ratio=ratio, act=False)
        self.shortcut = (
            None
            if s == 1 and c1 == c2
            else nn.Sequential(Conv(c1, c1, k, s, g=c1, act=False), Conv(c1, c2, 1, act=False))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c1, H, W) to (B, c2, ceil(H/s), ceil(W/s))."""
        out: torch.Tensor = self.ghost1(x)
        if self.depthwise is not None:
            out = self.depthwise(out)
        if self.se is not None:
            out = self.se(out)
        out = self.ghost2(out)
        return out + (x if self.shortcut is None else self.shortcut(x))
