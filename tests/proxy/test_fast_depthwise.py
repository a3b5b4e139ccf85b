"""Quick depthwise convolutions: the same outputs and gradients, and nothing left behind."""

import pytest
import torch
from torch import Tensor, nn

from nas.proxy.fast_depthwise import quick_depthwise

CPU = torch.device("cpu")
KINDS = {
    "1x7": dict(kernel_size=(1, 7), padding=(0, 3)),
    "1x5": dict(kernel_size=(1, 5), padding=(0, 2)),
    "5x5": dict(kernel_size=5, padding=2),
    "3x3 stride 2": dict(kernel_size=3, padding=1, stride=2),
    "1x7 with bias": dict(kernel_size=(1, 7), padding=(0, 3), bias=True),
}


def outcome(conv: nn.Conv2d, x: Tensor, pull: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Output, and the gradients of the map and the weight."""
    x = x.detach().clone().requires_grad_()
    conv.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = conv(x)
    (out.float() * pull).sum().backward()
    assert x.grad is not None and conv.weight.grad is not None
    return out.detach().float(), x.grad, conv.weight.grad.clone()


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_and_gradients_are_those_of_the_plain_one(kind: str) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(12, 12, groups=12, **{"bias": False, **KINDS[kind]})  # type: ignore[arg-type]
    x = torch.randn(2, 12, 14, 10).to(memory_format=torch.channels_last)
    pull = torch.randn_like(conv(x))
    with quick_depthwise(conv, CPU, "bfloat16"):
        assert type(conv) is not nn.Conv2d
        quick = outcome(conv, x, pull)
    assert type(conv) is nn.Conv2d
    for mine, plain in zip(quick, outcome(conv, x, pull), strict=True):
        assert mine.shape == plain.shape
        assert (mine - plain).abs().max() < 0.02 * plain.abs().max()  # bfloat16 has 8 bits


def test_what_is_fast_already_stays() -> None:
    fast = nn.Sequential(
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Conv2d(8, 8, (7, 1), padding=(3, 0), groups=8),
        nn.Conv2d(8, 8, 7, padding=3),
        nn.Conv2d(8, 16, (1, 7), stride=2),
    )
    with quick_depthwise(fast, CPU, "bfloat16"):
        assert all(type(conv) is nn.Conv2d for conv in fast)
    wide = nn.Conv2d(8, 8, (1, 7), padding=(0, 3), groups=8)
    with quick_depthwise(wide, CPU, "float32"):
        assert type(wide) is nn.Conv2d


def test_classes_come_back_after_an_error() -> None:
    conv = nn.Conv2d(8, 8, 3, stride=2, groups=8)
    with pytest.raises(ValueError, match="mine"), quick_depthwise(conv, CPU, "bfloat16"):
        raise ValueError("mine")
    assert type(conv) is nn.Conv2d
