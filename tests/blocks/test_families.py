"""The rival families against the implementations of torchvision and timm, with the same weights."""

from collections.abc import Iterator

import pytest
import timm
import torch
from timm.models._efficientnet_blocks import DepthwiseSeparableConv
from torch import nn
from torchvision.models import efficientnet, mobilenetv3
from ultralytics.nn.modules.conv import Conv

from nas.blocks.efficientnet import FusedMBConv, MBConv
from nas.blocks.ghostv3 import GhostBottleneckV3
from nas.blocks.lcnet import LCNetBlock
from nas.blocks.mobilenet import MobileNetV3Block
from nas.blocks.reparam import RepBranches
from nas.blocks.vanilla import AnnealedPair, VanillaBlock, anneal
from tests.blocks.reference import GhostNetV2, macs, randomise_batch_norm


def same(theirs: nn.Module, ours: nn.Module, channels: int) -> None:
    """Copy every tensor in order; both must then answer alike, on even and odd maps, also when ours is fused."""
    theirs, ours = theirs.double().eval(), ours.double().eval()
    randomise_batch_norm(theirs)
    values = list(theirs.state_dict().values())
    names = list(ours.state_dict())
    ours.load_state_dict(dict(zip(names, values, strict=True)))
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    for size in ((14, 14), (9, 13)):
        x = torch.randn(2, channels, *size, dtype=torch.float64)
        with torch.no_grad():
            expected = theirs(x)
            assert expected.std() > 1e-3
            torch.testing.assert_close(ours(x), expected)
    with torch.no_grad():
        torch.testing.assert_close(fuse(ours)(x), expected)


@pytest.mark.parametrize("arch", ["mobilenet_v3_large", "mobilenet_v3_small"])
def test_mobilenetv3_equals_torchvision(arch: str) -> None:
    torch.manual_seed(0)
    rows, _ = mobilenetv3._mobilenet_v3_conf(arch)
    for row in rows:
        theirs = mobilenetv3.InvertedResidual(row, nn.BatchNorm2d)
        act = nn.Hardswish() if row.use_hs else nn.ReLU()
        ours = MobileNetV3Block(
            row.input_channels,
            row.out_channels,
            row.expanded_channels,
            row.stride,
            row.kernel,
            0.25 if row.use_se else 0.0,
            act,
        )
        same(theirs, ours, row.input_channels)


def _efficient_rows() -> Iterator[tuple[efficientnet._MBConvConfig, int, int]]:
    for stage in efficientnet._efficientnet_conf("efficientnet_v2_s")[0]:
        yield stage, stage.input_channels, stage.stride
        yield stage, stage.out_channels, 1


@pytest.mark.parametrize(("stage", "c1", "s"), [*_efficient_rows()])
def test_efficientnetv2_equals_torchvision(stage: efficientnet._MBConvConfig, c1: int, s: int) -> None:
    torch.manual_seed(0)
    row = type(stage)(stage.expand_ratio, stage.kernel, s, c1, stage.out_channels, 1)
    hidden = row.adjust_channels(c1, row.expand_ratio)
    theirs = row.block(row, 0.0, nn.BatchNorm2d)
    ours_is = FusedMBConv if row.block is efficientnet.FusedMBConv else MBConv
    ours = ours_is(c1, row.out_channels, hidden, s, row.kernel, act=nn.SiLU())
    same(theirs, ours, c1)


@pytest.mark.parametrize(("k", "s", "se"), [(3, 1, 0.0), (3, 2, 0.0), (5, 1, 0.25), (5, 2, 0.25)])
def test_lcnet_equals_timm(k: int, s: int, se: float) -> None:
    torch.manual_seed(0)
    theirs = next(
        module
        for module in timm.create_model("lcnet_100").modules()
        if isinstance(module, DepthwiseSeparableConv)
        and (module.conv_dw.kernel_size, module.conv_dw.stride) == ((k, k), (s, s))
        and isinstance(module.se, nn.Identity) == (not se)
    )
    assert not theirs.has_skip
    c1, c2 = theirs.conv_dw.in_channels, theirs.conv_pw.out_channels
    same(theirs, LCNetBlock(c1, c2, s, k, se, nn.Hardswish()), c1)


# --- what merges


def fuse(module: nn.Module) -> nn.Module:
    """What Ultralytics' `fuse()` does to convolutions."""
    from ultralytics.nn.tasks import BaseModel

    model = BaseModel()
    model.model = nn.Sequential(module)
    model.eval().fuse(verbose=False)
    assert model.is_fused()
    return model.model[0]


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("s", [1, 2])
@pytest.mark.parametrize(("c1", "c2", "g"), [(8, 8, 1), (6, 8, 1), (8, 8, 8), (8, 16, 8), (8, 8, 2)])
def test_branches_merge_exactly(k: int, s: int, c1: int, c2: int, g: int) -> None:
    torch.manual_seed(0)
    module = RepBranches(c1, c2, k, s, g, nn.SiLU()).double().eval()
    randomise_batch_norm(module)
    assert (module.bn is not None) == (c1 == c2 and s == 1) and (module.conv2 is not None) == (k > 1)
    x = torch.randn(2, c1, 9, 11, dtype=torch.float64)
    with torch.no_grad():
        before = module(x)
        merged = fuse(module)
        torch.testing.assert_close(merged(x), before)
    assert len(list(merged.modules())) == 3  # itself, one convolution, the activation


@pytest.mark.parametrize("hidden", [16, 32, 48])  # 32: expansion is exactly 2, so a primary convolution keeps channels
@pytest.mark.parametrize("s", [1, 2])
@pytest.mark.parametrize("dfc_kernel", [0, 5])
def test_ghostnetv3_merges_into_ghostnetv2(hidden: int, s: int, dfc_kernel: int) -> None:
    torch.manual_seed(0)
    block = GhostBottleneckV3(16, 16, hidden, s, dfc_kernel=dfc_kernel, se=0.25).eval()
    randomise_batch_norm(block)
    x = torch.randn(2, 16, 13, 12)
    with torch.no_grad():
        before = block(x)
        merged = fuse(block)
        difference = (merged(x) - before).abs().max() / before.abs().max()
    assert difference < 1e-5
    plain = fuse(type(block).__mro__[1](16, 16, hidden, s, dfc_kernel=dfc_kernel, se=0.25))
    shapes = [sorted(tuple(p.shape) for p in one.parameters()) for one in (merged, plain)]
    assert shapes[0] == shapes[1]


def test_ghostnetv3_has_the_published_counts() -> None:
    model = GhostNetV2(1.0, GhostBottleneckV3)
    assert sum(p.numel() for p in model.parameters()) == 8_129_028
    assert round(macs(model, 224) / 1e6, 1) == 404.1
    fused = [sum(p.numel() for p in one.eval().fuse(verbose=False).parameters()) for one in (model, GhostNetV2(1.0))]
    assert fused[0] == fused[1]


def test_vanilla_merges_when_it_is_annealed() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 9, 12, dtype=torch.float64)
    for share, convolutions in ((0.0, 3), (0.4, 3), (1.0, 2)):
        block = VanillaBlock(6, 10, 2).double().eval()
        randomise_batch_norm(block)
        anneal(block, share)
        with torch.no_grad():
            before = block(x)
            merged = fuse(block)
            torch.testing.assert_close(merged(x), before)
        assert before.shape == (2, 10, 5, 6)
        assert sum(isinstance(m, nn.Conv2d) for m in merged.modules()) == convolutions
        anneal(merged, 0.5)  # nothing is left to anneal


def test_the_slope_goes_from_relu_to_the_identity() -> None:
    pair = AnnealedPair(2, 3).eval()
    x = torch.randn(1, 2, 5, 5)
    with torch.no_grad():
        between = pair.conv1(x)
        for share, expected in ((0.0, between.relu()), (0.25, nn.functional.leaky_relu(between, 0.25)), (1.0, between)):
            anneal(pair, share)
            torch.testing.assert_close(pair(x), pair.conv2(expected))
    anneal(pair, 7.0)
    assert float(pair.slope) == 1.0


def test_a_vanilla_block_counts_as_its_formula() -> None:
    # Two 1x1 with BatchNorm at training; one 1x1, and 7x7 a channel, deployed.
    block = VanillaBlock(32, 64)
    assert sum(p.numel() for p in block.parameters()) == 32 * 32 + 2 * 32 + 32 * 64 + 2 * 64 + 64 * 49 + 2 * 64
    anneal(block, 1.0)
    assert sum(p.numel() for p in fuse(block).parameters()) == 32 * 64 + 64 + 64 * 49 + 64


def test_every_family_takes_the_models_activation() -> None:
    for made in (MobileNetV3Block(8, 8, 16), MBConv(8, 8, 16), FusedMBConv(8, 8, 16), LCNetBlock(8, 8)):
        acts = [m.act for m in made.modules() if isinstance(m, Conv)]
        assert Conv.default_act in acts
