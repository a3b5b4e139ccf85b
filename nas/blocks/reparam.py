"""Branches at training that are one convolution once fused.

Structural re-parameterisation: Ding et al. 2021 (RepVGG), arXiv 2101.03697, section 3.3; with several convolutions side
by side: Vasu et al. 2023 (MobileOne), arXiv 2206.04040, section 3.3, as GhostNetV3 uses them.
"""

import torch
from torch import nn
from torch.nn import functional as F
from ultralytics.nn.modules.conv import Conv, RepConv


def folded(conv: Conv) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias, float64, of a convolution with its BatchNorm in evaluation mode."""
    scale, shift = scale_of(conv.bn)
    return conv.conv.weight.detach().double() * scale[:, None, None, None], shift


def scale_of(bn: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """Factor and offset a channel, float64, of a BatchNorm in evaluation mode."""
    assert bn.running_mean is not None and bn.running_var is not None
    scale = bn.weight.detach().double() / (bn.running_var.double() + bn.eps).sqrt()
    return scale, bn.bias.detach().double() - bn.running_mean.double() * scale


def filled(conv: nn.Conv2d, weight: torch.Tensor, bias: torch.Tensor, like: torch.Tensor) -> nn.Conv2d:
    """A convolution with the given values, for inference, of the type and on the device of `like`."""
    assert conv.bias is not None
    conv.weight.data, conv.bias.data = (value.to(device=like.device, dtype=like.dtype) for value in (weight, bias))
    return conv.requires_grad_(False)


class RepBranches(RepConv):  # type: ignore[misc]
    """Several convolutions, a 1x1 one, and the identity, each with a BatchNorm, added up.

    A `RepConv`, so that Ultralytics' `fuse()` merges them. The identity is there where the channels and the size stay;
    the 1x1 where the kernel is larger than that.

    Args:
        c1: Input channels.
        c2: Output channels.
        k: Odd kernel.
        s: Stride.
        g: Groups.
        act: True for the model's activation, False for none, or a module.
        branches: Convolutions with the whole kernel.
    """

    def __init__(
        self,
        c1: int,
        c2: int,
        k: int = 1,
        s: int = 1,
        g: int = 1,
        act: bool | nn.Module = True,
        branches: int = 3,
    ) -> None:
        nn.Module.__init__(self)
        self.geometry = (c1, c2, k, s, g)
        self.act = Conv.default_act if act is True else act if isinstance(act, nn.Module) else nn.Identity()
        self.conv1 = nn.ModuleList(Conv(c1, c2, k, s, g=g, act=False) for _ in range(branches))
        self.conv2 = Conv(c1, c2, 1, s, g=g, act=False) if k > 1 else None
        self.bn = nn.BatchNorm2d(c1) if c1 == c2 and s == 1 else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c1, H, W) to (B, c2, ceil(H/s), ceil(W/s))."""
        parts = [*self.conv1, *(branch for branch in (self.conv2, self.bn) if branch is not None)]
        out: torch.Tensor = parts[0](x)
        for part in parts[1:]:
            out = out + part(x)
        activated: torch.Tensor = self.act(out)
        return activated

    def get_equivalent_kernel_bias(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight (c2, c1 / g, k, k) and bias (c2,) of the one convolution, float64."""
        _, _, k, _, _ = self.geometry
        kernels, biases = zip(*(folded(branch) for branch in self.conv1), strict=True)
        kernel, bias = sum(kernels), sum(biases)
        if self.conv2 is not None:
            point, offset = folded(self.conv2)
            kernel, bias = kernel + F.pad(point, [k // 2] * 4), bias + offset
        if self.bn is not None:
            scale, offset = scale_of(self.bn)
            kernel, bias = kernel + self._identity(scale), bias + offset
        return kernel, bias

    def _identity(self, scale: torch.Tensor) -> torch.Tensor:
        """The kernel that multiplies each channel by its factor."""
        c1, _, k, _, g = self.geometry
        channels = torch.arange(c1)
        kernel = torch.zeros(c1, c1 // g, k, k, dtype=scale.dtype, device=scale.device)
        kernel[channels, channels % (c1 // g), k // 2, k // 2] = scale
        return kernel

    def fuse_convs(self) -> None:
        """Put one convolution in the place of the branches."""
        if hasattr(self, "conv"):
            return
        c1, c2, k, s, g = self.geometry
        kernel, bias = self.get_equivalent_kernel_bias()
        conv = nn.Conv2d(c1, c2, k, s, k // 2, groups=g)
        self.conv = filled(conv, kernel, bias, next(self.parameters()))
        for name in ("conv1", "conv2", "bn"):
            delattr(self, name)
