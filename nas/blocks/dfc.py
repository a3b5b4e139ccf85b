"""Decoupled fully connected (DFC) attention of GhostNetV2.

Tang et al. 2022, arXiv 2211.12905, sections 3.2 and 4: long-range weights from a horizontal and a vertical
depthwise convolution, computed on a down-sampled map.
"""

import torch
from torch import nn
from torch.nn import functional as F
from ultralytics.nn.modules.conv import Conv


class DFCAttention(nn.Module):
    """Weights in (0, 1) for every position and channel of a map.

    The map is average-pooled (floor mode; the pool is never larger than the map), passed through a 1x1, a
    depthwise 1 x kernel and a depthwise kernel x 1 convolution, each with a BatchNorm and without activation,
    then through the sigmoid at low resolution, and enlarged to the target's size by nearest neighbour.

    Args:
        c1: Input channels.
        c2: Output channels.
        kernel: Odd kernel of the horizontal and vertical convolutions.
        pool: Down-sampling factor, 1 for none.
    """

    def __init__(self, c1: int, c2: int, kernel: int = 5, pool: int = 2) -> None:
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(f"DFC kernel must be odd, got {kernel}")
        if pool < 1:
            raise ValueError(f"DFC pool must be at least 1, got {pool}")
        # A module, so that operation counters, which watch modules, see the pool.
        self.factor = pool
        self.pool = nn.AvgPool2d(pool) if pool > 1 else None
        self.reduce = Conv(c1, c2, 1, act=False)
        self.horizontal = Conv(c2, c2, (1, kernel), g=c2, act=False)
        self.vertical = Conv(c2, c2, (kernel, 1), g=c2, act=False)

    def forward(self, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Weights (B, c2, H', W') for a target (B, c2, H', W') from x (B, c1, H, W)."""
        # Plain integers: an exported graph then holds constants instead of shape arithmetic.
        height, width = int(x.shape[-2]), int(x.shape[-1])
        size = int(target.shape[-2]), int(target.shape[-1])
        if self.pool is not None:
            window = min(self.factor, height), min(self.factor, width)
            # (B, c1, H // window, W // window)
            x = self.pool(x) if window == (self.factor, self.factor) else F.avg_pool2d(x, window)
        weights: torch.Tensor = self.vertical(self.horizontal(self.reduce(x))).sigmoid()  # (B, c2, h, w)
        if (int(weights.shape[-2]), int(weights.shape[-1])) != size:
            weights = F.interpolate(weights, size=size, mode="nearest")
        return weights
