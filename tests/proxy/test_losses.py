"""The losses of choice: equal to Ultralytics' own by default, and each other one by its formula."""

import pytest
import torch
from ultralytics.cfg import get_cfg
from ultralytics.utils.loss import E2ELoss, v8DetectionLoss
from ultralytics.utils.metrics import bbox_iou

from nas.errors import UsageError
from nas.model.builder import build
from nas.model.loss_names import Losses
from nas.model.losses import DetectionLoss, as_float32, criterion

YAML = """
nc: 3
reg_max: {reg_max}
end2end: {end2end}
backbone:
- [-1, 1, Conv, [8, 3, 2]]
- [-1, 1, Conv, [8, 3, 2]]
- [-1, 1, C3k2, [16, False]]
head:
- [[1, 2], 1, Detect, [nc]]
"""
BATCH = {
    "batch_idx": torch.tensor([0.0, 0.0, 1.0]),
    "cls": torch.tensor([[0.0], [2.0], [1.0]]),
    "bboxes": torch.tensor([[0.3, 0.4, 0.4, 0.3], [0.7, 0.6, 0.3, 0.5], [0.5, 0.5, 0.6, 0.6]]),
}


def model(reg_max: int = 4, end2end: bool = False) -> torch.nn.Module:
    made = build(YAML.format(reg_max=reg_max, end2end=end2end), seed=0)
    made.args = get_cfg()
    return made.train()


def losses_of(made: torch.nn.Module, loss: object) -> torch.Tensor:
    torch.manual_seed(1)
    return loss(made(torch.rand(2, 3, 64, 64)), BATCH)[0]  # type: ignore[operator]


@pytest.mark.parametrize("end2end", [False, True])
@pytest.mark.parametrize("reg_max", [1, 4])
def test_the_default_is_ultralytics_own(reg_max: int, end2end: bool) -> None:
    made = model(reg_max, end2end)
    ours = criterion(made, Losses())
    stock = made.init_criterion()
    assert type(stock) is (E2ELoss if end2end else v8DetectionLoss)
    assert torch.equal(losses_of(made, ours), losses_of(made, stock))


@pytest.mark.parametrize("reg_max", [1, 4])
def test_each_choice_changes_its_own_term(reg_max: int) -> None:
    made = model(reg_max)
    plain = losses_of(made, criterion(made, Losses()))
    focal = losses_of(made, criterion(made, Losses(classes="focal")))
    giou = losses_of(made, criterion(made, Losses(boxes="giou")))
    assert torch.equal(focal[[0, 2]], plain[[0, 2]]) and 0 < focal[1] < plain[1]
    assert torch.equal(giou[[1, 2]], plain[[1, 2]]) and 0 < giou[0] != plain[0]
    assert all(loss.isfinite().all() for loss in (plain, focal, giou))


def test_focal_is_its_formula() -> None:
    loss = DetectionLoss(model(), Losses(classes="focal"))
    logits, target = torch.tensor([-1.0, 0.5, 2.0]), torch.tensor([0.0, 1.0, 0.25])
    p = logits.sigmoid()
    agrees = p * target + (1 - p) * (1 - target)
    entropy = -(target * p.log() + (1 - target) * (1 - p).log())
    weight = 0.25 * target + 0.75 * (1 - target)
    torch.testing.assert_close(loss.bce(logits, target), weight * (1 - agrees) ** 2 * entropy)


def test_giou_is_its_formula() -> None:
    boxes = DetectionLoss(model(), Losses(boxes="giou")).bbox_loss
    predicted = torch.tensor([[[0.0, 0.0, 2.0, 2.0], [5.0, 5.0, 6.0, 6.0]]])
    target = torch.tensor([[[1.0, 1.0, 3.0, 3.0], [0.0, 0.0, 1.0, 1.0]]])
    scores = torch.tensor([[[0.5, 0.0], [0.0, 1.0]]])
    distances, points = torch.zeros(1, 2, 16), torch.tensor([[1.5, 1.5], [0.5, 0.5]])
    found, _ = boxes(
        distances, predicted, points, target, scores, scores.sum(), torch.ones(1, 2, dtype=torch.bool),
        torch.tensor([8.0, 8.0]), torch.ones(2, 1),
    )  # fmt: skip
    iou, hull = torch.tensor([1 / 7, 0.0]), torch.tensor([9.0, 36.0])
    union = torch.tensor([7.0, 2.0])
    giou = iou - (hull - union) / hull
    torch.testing.assert_close(found, ((1 - giou) * torch.tensor([0.5, 1.0])).sum() / 1.5, rtol=1e-4, atol=0)
    assert torch.allclose(bbox_iou(predicted[0], target[0], xywh=False, GIoU=True)[:, 0], giou, rtol=1e-4)


@pytest.mark.parametrize(("classes", "boxes"), [("focal", "siou"), ("hinge", "giou")])
def test_an_unknown_loss_is_refused(classes: str, boxes: str) -> None:
    with pytest.raises(UsageError, match=r"(siou|hinge)"):
        Losses(classes, boxes)


def test_halves_become_floats_at_every_depth() -> None:
    half = torch.zeros(1, dtype=torch.bfloat16)
    found = as_float32({"one2many": {"boxes": half, "feats": [half]}, "scores": half})
    assert found["one2many"]["boxes"].dtype == found["scores"].dtype == torch.float32
    assert found["one2many"]["feats"][0].dtype == torch.bfloat16
