"""Untrained heads of every `reg_max` predict boxes of one size; Ultralytics' own beginning depends on it."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from nas.architecture.ultralytics_yaml import to_yaml
from nas.model.builder import build
from nas.proxy.box_init import begin_with_boxes
from nas.space.reference_designs import yolo11

DESIGN = yolo11("n", 96, 0.25)


def first_box(model: Any) -> float:
    """Half the median side of the predicted boxes, in cells."""
    model.eval()
    strides = torch.cat([torch.full(((96 // int(s)) ** 2,), float(s)) for s in model.stride])
    with torch.inference_mode():
        raw = model(torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0)))[0]
    return float((raw[0, 2:4] / strides / 2).median())


@pytest.mark.parametrize("reg_max", [1, 4, 8, 16])
@pytest.mark.parametrize("head", ["yolo11", "mbconv"])
def test_heads_begin_with_boxes_of_one_size(reg_max: int, head: str) -> None:
    model = build(to_yaml(replace(DESIGN, reg_max=reg_max, head=head), 6), seed=0)
    begin_with_boxes(model, 1.5)
    assert first_box(model) == pytest.approx(1.5, rel=0.1)


def test_ultralytics_own_beginning_depends_on_the_distances() -> None:
    own = [first_box(build(to_yaml(replace(DESIGN, reg_max=n), 6), seed=0)) for n in (4, 16)]
    assert own == pytest.approx([1.5, 7.5], rel=0.1)


def test_both_kinds_of_branches_begin_alike() -> None:
    model: Any = build(to_yaml(replace(DESIGN, end2end=True), 6), seed=0)
    begin_with_boxes(model, 2.0)
    head = model.model[-1]
    for branches in (head.cv2, head.one2one_cv2):
        for branch in branches:
            shares = branch[-1].bias.view(4, 16).softmax(1)  # of each side
            assert (shares @ torch.arange(16.0)).tolist() == pytest.approx([2.0] * 4)
