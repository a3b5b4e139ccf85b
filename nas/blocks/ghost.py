"""Ghost modules: half of the channels from a convolution, the rest from cheap depthwise filters of those.

GhostNet, Han et al. 2020, arXiv 1911.11907, section 3.1; with DFC attention: GhostNetV2, Tang et al. 2022,
arXiv 2211.12905, section 4. Every convolution with a BatchNorm is Ultralytics' `Conv`, which `fuse()` folds.
"""

import math

import torch
from torch import nn
from ultralytics.nn.modules.conv import Conv

from nas.blocks.dfc import DFCAttention


class GhostModule(nn.Module):
    """Primary convolution to ceil(c2 / ratio) channels, cheap depthwise operation for the others.

    Args:
        c1: Input channels.
        c2: Output channels.
        k: Kernel of the primary convolution.
        cheap_kernel: Kernel of the cheap operation.
        ratio: Output channels per primary channel.
        s: Stride of the primary convolution.
        act: True for the model's activation, False for none, or a module.
    """

    convolution: type[nn.Module] = Conv

    def __init__(
        self,
        c1: int,
        c2: int,
        k: int = 1,
        cheap_kernel: int = 3,
        ratio: int = 2,
        s: int = 1,
        act: bool | nn.Module = True,
    ) -> None:
        super().__init__()
        primary = math.ceil(c2 / ratio)
        cheap = primary * (ratio - 1)
        self.c2 = c2
        self.surplus = primary + cheap > c2
        conv = self.convolution
        self.primary_conv = conv(c1, primary, k, s, act=act)
        self.cheap_operation = conv(primary, cheap, cheap_kernel, 1, g=primary, act=act) if cheap else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c1, H, W) to (B, c2, H/s, W/s)."""
        intrinsic: torch.Tensor = self.primary_conv(x)
        return self.expanded(intrinsic)

    def expanded(self, intrinsic: torch.Tensor) -> torch.Tensor:
        """The primary convolution's maps (B, ceil(c2 / ratio), H, W) and the cheap ones of them, (B, c2, H, W)."""
        if self.cheap_operation is None:
            return intrinsic
        out = torch.cat((intrinsic, self.cheap_operation(intrinsic)), 1)
        # An even split needs no slice, which would be one more node in an exported graph.
        return out[:, : self.c2] if self.surplus else out


class GhostModuleV2(GhostModule):
    """A ghost module whose output is weighted by DFC attention on its input ("attn" mode).

    Args:
        c1: Input channels.
        c2: Output channels.
        k: Kernel of the primary convolution.
        cheap_kernel: Kernel of the cheap operation.
        ratio: Output channels per primary channel.
        s: Stride of the primary convolution.
        act: True for the model's activation, False for none, or a module.
        dfc_kernel: Odd kernel of the attention's horizontal and vertical convolutions.
        dfc_pool: Down-sampling factor of the attention.
    """

    def __init__(
        self,
        c1: int,
        c2: int,
        k: int = 1,
        cheap_kernel: int = 3,
        ratio: int = 2,
        s: int = 1,
        act: bool | nn.Module = True,
        dfc_kernel: int = 5,
        dfc_pool: int = 2,
    ) -> None:
        super().__init__(c1, c2, k, cheap_kernel, ratio, s, act)
        self.dfc = DFCAttention(c1, c2, dfc_kernel, dfc_pool)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c1, H, W) to (B, c2, H/s, W/s)."""
        out = super().forward(x)
        weights: torch.Tensor = self.dfc(x, out)
        return out * weights
