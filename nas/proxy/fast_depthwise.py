"""Depthwise convolutions that a CPU trains slowly in bfloat16, computed another way.

oneDNN has no fast gradient in bfloat16 for depthwise kernels wider than 3 and for stride 2. So the gradient of 1xk is
taken of kx1 on the transposed maps, and the others are computed in float32. Nothing stays behind in the model. `python
benchmarks/proxies/depthwise.py` times whole steps.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.proxy.device import Precision

_QUICK = 3
"""Widest kernel whose gradient is fast."""


class _SidewaysGradient(torch.autograd.Function):
    """A depthwise 1xk with stride 1, whose gradient is taken of kx1 on transposed maps."""

    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, padding: int) -> Tensor:
        """Maps (B, C, H, W), weight (C, 1, 1, k)."""
        context.save_for_backward(x, weight)
        context.padding = padding
        return functional.conv2d(x, weight, None, 1, (0, padding), 1, len(weight))

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        """Gradients of the map and the weight."""
        x, weight = context.saved_tensors
        upright = [_transposed(one) for one in (gradients[0], x, weight)]
        found = torch.ops.aten.convolution_backward(
            *upright, None, (1, 1), (context.padding, 0), (1, 1), False, (0, 0), len(weight), (True, True, False)
        )
        return _transposed(found[0]), _transposed(found[1]), None


def _transposed(maps: Tensor) -> Tensor:
    return maps.transpose(2, 3).contiguous(memory_format=torch.channels_last)


class _Sideways(nn.Conv2d):
    """A depthwise 1xk without bias whose gradient is quick."""

    def forward(self, x: Tensor) -> Tensor:
        x, weight = x.bfloat16(), self.weight.bfloat16()
        out: Tensor = _SidewaysGradient.apply(x, weight, self.kernel_size[1] // 2)
        return out


class _Single(nn.Conv2d):
    """A depthwise convolution in float32 whatever is around it."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float()).to(x.dtype)


@contextmanager
def quick_depthwise(model: nn.Module, device: torch.device, precision: Precision) -> Iterator[None]:
    """Inside, a model's slow depthwise convolutions are computed the quick way; their classes come back afterwards.

    Args:
        model: The model in training, changed inside only.
        device: Where it computes.
        precision: In what.
    """
    slow = _slow(model) if device.type == "cpu" and precision == "bfloat16" else {}
    for module, quick in slow.items():
        module.__class__ = quick
    try:
        yield
    finally:
        for module in slow:
            module.__class__ = nn.Conv2d


def _slow(model: nn.Module) -> dict[nn.Conv2d, type[nn.Conv2d]]:
    found: dict[nn.Conv2d, type[nn.Conv2d]] = {}
    for module in model.modules():
        if type(module) is nn.Conv2d and module.groups == module.in_channels == module.out_channels > 1:
            height, width = module.kernel_size
            if module.stride != (1, 1):
                found[module] = _Single
            elif width > _QUICK:
                sideways = height == 1 and module.bias is None and module.padding == (0, width // 2)
                found[module] = _Sideways if sideways else _Single
    return found
