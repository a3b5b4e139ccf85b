"""Necks and heads: counted against their formulas, and what their parts do."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from ultralytics.nn.modules.block import C3k2
from ultralytics.nn.modules.conv import Conv
from ultralytics.nn.modules.head import Detect

from nas.architecture.ultralytics_yaml import to_yaml
from nas.blocks.afpn import AFPN, AdaptiveFusion, Resampled
from nas.blocks.bottleneck import GhostBottleneckV2
from nas.blocks.gsconv import GSConv, VoVGSCSP
from nas.blocks.head import MBConvDetect, SlimDetect
from nas.model.builder import build
from nas.space.reference_designs import yolo11


def params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def conv(c1: int, c2: int, k: int = 1, g: int = 1) -> int:
    """Parameters of a convolution with its BatchNorm."""
    return c1 // g * c2 * k * k + 2 * c2


def gsconv(c1: int, c2: int, k: int = 1) -> int:
    return conv(c1, c2 // 2, k) + conv(c2 // 2, c2 // 2, 5, c2 // 2)


@pytest.mark.parametrize(("c1", "c2", "k", "s"), [(16, 24, 1, 1), (16, 16, 3, 2), (8, 32, 3, 1)])
def test_gsconv_counts_and_shuffles(c1: int, c2: int, k: int, s: int) -> None:
    module = GSConv(c1, c2, k, s).eval()
    assert params(module) == gsconv(c1, c2, k)
    x = torch.randn(2, c1, 9, 12)
    with torch.no_grad():
        dense = module.dense(x)
        out = module(x)
        torch.testing.assert_close(out[:, 0::2], dense)
        torch.testing.assert_close(out[:, 1::2], module.depthwise(dense))
        shuffled = nn.ChannelShuffle(2)(torch.cat((dense, module.depthwise(dense)), 1))
        torch.testing.assert_close(out, shuffled)
    assert out.shape == (2, c2, -(-9 // s), -(-12 // s))


def test_vovgscsp_counts() -> None:
    c1, c2, half = 48, 32, 16
    inside = gsconv(half, half) + gsconv(half, half, 3) + conv(half, half)
    assert params(VoVGSCSP(c1, c2)) == 2 * conv(c1, half) + inside + conv(c2, c2)
    assert VoVGSCSP(c1, c2)(torch.rand(1, c1, 5, 6)).shape == (1, c2, 5, 6)


def fusion(c: int, maps: int) -> int:
    return maps * conv(c, 8) + (8 * maps + 1) * maps + conv(c, c, 3)


def step(channels: list[int], wanted: int) -> int:
    total = 0
    for there in range(wanted):
        total += fusion(channels[there], len(channels)) + 3 * 2 * conv(channels[there], channels[there], 3)
        total += sum(
            conv(c, channels[there], 2 ** (there - here) if here < there else 1)
            for here, c in enumerate(channels)
            if here != there
        )
    return total


@pytest.mark.parametrize("levels", [3, 4])
@pytest.mark.parametrize("wanted", [2, 3])
def test_afpn_counts(levels: int, wanted: int) -> None:
    ch, hidden, out = [16, 24, 40, 48][:levels], [8, 16, 24, 32][:levels], [16, 32, 64][:wanted]
    module = AFPN(hidden, out, 16, False, ch)
    expected = sum(conv(c, h) for c, h in zip(ch, hidden, strict=True))
    expected += sum(step(hidden[:count], count if count < levels else wanted) for count in range(2, levels + 1))
    expected += sum(conv(h, c) for h, c in zip(hidden, out, strict=False))
    assert params(module) == expected
    maps = [torch.rand(1, c, 32 >> i, 48 >> i) for i, c in enumerate(ch)]
    assert [tuple(one.shape) for one in module(maps)] == [(1, c, 32 >> i, 48 >> i) for i, c in enumerate(out)]


def test_every_level_of_afpn_sees_every_other() -> None:
    torch.manual_seed(0)
    module = AFPN([8, 8, 8], [8, 8, 8], 16, False, [8, 8, 8]).eval()
    maps = [torch.rand(1, 8, 16 >> i, 16 >> i, requires_grad=True) for i in range(3)]
    for out in module(maps):
        gradients = torch.autograd.grad(out.square().sum(), maps, retain_graph=True)
        assert all(float(gradient.abs().max()) > 0 for gradient in gradients)


def test_adaptive_weights_sum_to_one() -> None:
    torch.manual_seed(0)
    module = AdaptiveFusion(8, 3).eval()
    module.smooth = nn.Identity()  # type: ignore[assignment]
    one = torch.randn(1, 8, 6, 7)
    torch.testing.assert_close(module([one, one, one]), one)


@pytest.mark.parametrize("levels", [-2, -1, 1, 2, 3])
def test_resampled_maps_have_the_other_levels_size(levels: int) -> None:
    out = Resampled(8, 16, levels)(torch.rand(1, 8, 16, 24))
    assert out.shape == (1, 16, int(16 / 2**levels), int(24 / 2**levels))


def test_an_mbconv_head_counts() -> None:
    head = MBConvDetect(5, 16, 24, 4, False, [32])

    def branch(c: int, width: int, out: int) -> int:
        def block(c1: int) -> int:
            hidden = 2 * width
            squeezed = c1 // 4
            expand = conv(c1, hidden) if c1 != hidden else 0
            squeeze = hidden * squeezed + squeezed + squeezed * hidden + hidden
            return expand + conv(hidden, hidden, 3, hidden) + squeeze + conv(hidden, width)

        return block(c) + block(width) + width * out + out

    assert params(head.cv2) == branch(32, 16, 16) and params(head.cv3) == branch(32, 24, 5)
    assert isinstance(head, SlimDetect)


def test_a_net_without_c3k2_keeps_yolo11s_class_branch() -> None:
    """Ultralytics would silently build YOLOv8's, with millions of parameters more."""
    arch = yolo11("n", 64)
    stages = tuple(replace(stage, block="lcnet") for stage in arch.stages)
    model = build(to_yaml(replace(arch, neck="slim", stages=stages), 3))
    assert not any(isinstance(module, C3k2) for module in model.modules())
    with_c3k2 = build(to_yaml(arch, 3)).model[-1]
    assert type(with_c3k2) is Detect and params(model.model[-1]) == params(with_c3k2)


@pytest.mark.parametrize("ratio", [2, 3, 4])
@pytest.mark.parametrize("dfc_kernel", [0, 5])
def test_the_ghost_ratio_reaches_both_modules(ratio: int, dfc_kernel: int) -> None:
    block = GhostBottleneckV2(24, 20, 28, dfc_kernel=dfc_kernel, ratio=ratio)
    primary = [module.primary_conv.conv.out_channels for module in (block.ghost1, block.ghost2)]
    assert primary == [-(-28 // ratio), -(-20 // ratio)]
    assert block(torch.rand(1, 24, 6, 6)).shape == (1, 20, 6, 6)
    assert all(isinstance(m.primary_conv, Conv) for m in (block.ghost1, block.ghost2))
