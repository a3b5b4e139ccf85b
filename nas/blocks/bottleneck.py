"""The GhostNetV2 bottleneck and its squeeze-and-excitation.

Tang et al. 2022, arXiv 2211.12905, figure 4; squeeze-and-excitation as in GhostNet, arXiv 1911.11907, section
3.3.
"""

import torch
from torch import nn
from torch.nn import functional as F
from ultralytics.nn.modules.conv import Conv

from nas.blocks.ghost import GhostModule, GhostModuleV2
from nas.blocks.parsed import ParsedAs


class SqueezeExcite(nn.Module):
    """Channel weights from the map's mean: 1x1, ReLU, 1x1, hard sigmoid.

    Args:
        channels: Input and output channels.
        ratio: Hidden channels as a share of `channels`, rounded to a multiple of 4 and at least 90% of that
            share.
    """

    def __init__(self, channels: int, ratio: float = 0.25) -> None:
        super().__init__()
        share = channels * ratio
        hidden = max(4, int(share + 2) // 4 * 4)
        if hidden < 0.9 * share:
            hidden += 4
        self.conv_reduce = nn.Conv2d(channels, hidden, 1)
        self.conv_expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        squeezed = F.adaptive_avg_pool2d(x, 1)  # (B, C, 1, 1)
        return x * F.hardsigmoid(self.conv_expand(F.relu(self.conv_reduce(squeezed))))


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
        se: Squeeze-and-excitation ratio, 0 for none.
        act: True for the model's activation, False for none, or a module.
    """

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
        act: bool | nn.Module = True,
    ) -> None:
        super().__init__()
        self.ghost1 = (
            GhostModuleV2(c1, hidden, act=act, dfc_kernel=dfc_kernel, dfc_pool=dfc_pool)
            if dfc_kernel
            else GhostModule(c1, hidden, act=act)
        )
        self.depthwise = Conv(hidden, hidden, k, s, g=hidden, act=False) if s > 1 else None
        self.se = SqueezeExcite(hidden, se) if se else None
        self.ghost2 = GhostModule(hidden, c2, act=False)
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
