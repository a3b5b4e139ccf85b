"""GhostNetV2 as a whole, against the published counts and against timm's implementation."""

import pytest
import timm
import torch
from torch import nn

from tests.blocks.reference import GhostNetV2, copy_weights, macs, randomise_batch_norm

SIZES = {1.0: ("ghostnetv2_100", 6_156_908, 167.0), 1.3: ("ghostnetv2_130", 8_960_404, 269.3)}
SIZES[1.6] = ("ghostnetv2_160", 12_392_698, 398.6)


@pytest.mark.parametrize("width", SIZES)
def test_counts_equal_the_references(width: float) -> None:
    _, params, mega_macs = SIZES[width]
    model = GhostNetV2(width)
    assert sum(p.numel() for p in model.parameters()) == params
    assert round(macs(model, 224) / 1e6, 1) == mega_macs


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("imgsz", [224, 150])
def test_outputs_equal_timm(width: float, imgsz: int) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model(SIZES[width][0]).eval()
    randomise_batch_norm(theirs)
    ours = GhostNetV2(width).eval()
    copy_weights(theirs, ours)
    x = torch.rand(2, 3, imgsz, imgsz)
    with torch.no_grad():
        expected = theirs(x)
        assert expected.std() > 0.01, "outputs near zero would prove nothing"
        torch.testing.assert_close(ours(x), expected, atol=1e-5, rtol=1e-5)


def test_everything_folds() -> None:
    torch.manual_seed(0)
    model = GhostNetV2(1.0).double().eval()
    randomise_batch_norm(model)
    x = torch.rand(1, 3, 96, 96, dtype=torch.float64)
    with torch.no_grad():
        before = model(x)
        model.fuse(verbose=False)
        torch.testing.assert_close(model(x), before, atol=1e-10, rtol=1e-10)
    assert not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
