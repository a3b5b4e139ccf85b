"""The distribution focal loss' expected distance, for inference (Li et al. 2020, arXiv 2006.04388, equation 6)."""

import torch
from torch import nn
from ultralytics.nn.modules.block import DFL


class ExpectedDistance(nn.Module):
    """Ultralytics' `DFL` without its transposition: softmax over the bins where they lie, then a product of matrices.

    Args:
        dfl: The module whose bins are taken.
    """

    def __init__(self, dfl: DFL) -> None:
        super().__init__()
        self.register_buffer("bins", dfl.conv.weight.detach().reshape(1, 1, -1).clone())  # (1, 1, reg_max)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 4 reg_max, positions) to (B, 4, positions)."""
        bins: torch.Tensor = self.get_buffer("bins")
        sides = x.reshape(-1, bins.shape[-1], x.shape[-1])  # (4 B, reg_max, positions)
        return (bins @ sides.softmax(1)).reshape(-1, 4, x.shape[-1])
