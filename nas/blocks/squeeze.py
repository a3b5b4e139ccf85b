"""Squeeze-and-excitation: channel weights from a map's mean (Hu et al. 2018, arXiv 1709.01507, section 3)."""

import torch
from torch import nn
from torch.nn import functional as F


def divisible(value: float, by: int) -> int:
    """The nearest multiple of `by`, at least `by` and at least 90% of the value: how mobile networks round channels."""
    rounded = max(by, int(value + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * value else rounded


class SqueezeExcite(nn.Module):
    """Mean over the map, 1x1, activation, 1x1, gate; the input is multiplied by the result.

    Args:
        channels: Input and output channels.
        hidden: Channels between the two convolutions.
        act: Their activation; ReLU by default.
        gate: What keeps the weights in [0, 1]; the hard sigmoid by default.
    """

    def __init__(self, channels: int, hidden: int, act: nn.Module | None = None, gate: nn.Module | None = None) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, hidden, 1)
        self.between = act or nn.ReLU()
        self.conv_expand = nn.Conv2d(hidden, channels, 1)
        self.gate = gate or nn.Hardsigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        return x * self.weights(F.adaptive_avg_pool2d(x, 1))

    def weights(self, mean: torch.Tensor) -> torch.Tensor:
        """Weights of the channels (B, C, 1, 1) from their means, of that shape too."""
        weights: torch.Tensor = self.gate(self.conv_expand(self.between(self.conv_reduce(mean))))
        return weights
