"""The last box layers, fitted: distances come nearer to the source's, and what fits already stays."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nas.architecture.architecture import Architecture
from nas.inherit.child import inherit
from nas.inherit.importance import norms
from nas.inherit.repair_boxes import refit_boxes, targets
from nas.inherit.roles import describe
from nas.inherit.transfer import Transfer
from nas.space.reference_designs import yolo11

from .conftest import NC, detector

HALF = yolo11("n", 64, 0.5)


def child_of(source: nn.Module, arch: Architecture) -> tuple[nn.Module, Transfer]:
    table, child = describe(source), detector(arch, seed=3)
    return child, inherit(table, child, norms(table), range(NC))


def pictures() -> Tensor:
    return torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def boxes(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return model(pictures())[0][:, :4]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("bins", "width"),
    [pytest.param(16, 0.25, marks=pytest.mark.slow), (4, 0.5), pytest.param(1, 0.5, marks=pytest.mark.slow)],
    ids=["fewer channels", "four bins", "one bin"],
)
def test_fitted_boxes_are_nearer_to_the_source_s(half: nn.Module, bins: int, width: float) -> None:
    child, done = child_of(half, replace(HALF, reg_max=bins, box_width=round(64 * width)))
    others = {name: value.clone() for name, value in child.state_dict().items() if ".cv2." not in name}
    before = (boxes(child) - boxes(half)).square().mean()
    refit_boxes(done.boxes, half, child, pictures())
    assert (boxes(child) - boxes(half)).square().mean() < before
    assert all(torch.equal(value, child.state_dict()[name]) for name, value in others.items())
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in (*half.modules(), *child.modules()))


def test_boxes_that_are_the_source_s_stay(half: nn.Module) -> None:
    child, done = child_of(half, HALF)
    refit_boxes(done.boxes, half, child, pictures())
    torch.testing.assert_close(boxes(child), boxes(half), atol=1e-6, rtol=0)


def test_more_bins_than_the_source_s_are_left_alone(half: nn.Module) -> None:
    child, done = child_of(half, replace(HALF, reg_max=20))
    before = boxes(child)
    refit_boxes(done.boxes, half, child, pictures())
    assert torch.equal(boxes(child), before)


def test_branches_of_another_kind_have_no_pair(half: nn.Module) -> None:
    assert child_of(half, replace(HALF, head="mbconv"))[1].boxes == []


def test_targets_have_the_source_s_distances() -> None:
    logits = torch.randn(6, 4 * 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    probable = logits.view(6, 4, 16).softmax(2)
    assert targets(logits, 16, 16) is logits
    torch.testing.assert_close(targets(logits, 16, 1), (probable * torch.arange(16)).sum(2))
    folded = targets(logits, 16, 4).view(6, 4, 4).softmax(2)
    torch.testing.assert_close(folded[..., 3], probable[..., 3:].sum(2), atol=5e-3, rtol=0)
