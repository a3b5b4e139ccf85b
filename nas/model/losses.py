"""Ultralytics' detection loss with the class and the box term of choice.

`v8DetectionLoss` has binary cross-entropy and CIoU written into it; here both can be replaced, for the usual head and
for one with one-to-one branches.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import sigmoid_focal_loss
from ultralytics.utils.loss import BboxLoss, E2ELoss, v8DetectionLoss
from ultralytics.utils.metrics import bbox_iou

from nas.model.loss_names import Losses


class GIoUBoxLoss(BboxLoss):  # type: ignore[misc]
    """`BboxLoss` with the generalised IoU in place of the complete one."""

    def forward(
        self,
        pred_dist: Tensor,
        pred_bboxes: Tensor,
        anchor_points: Tensor,
        target_bboxes: Tensor,
        target_scores: Tensor,
        target_scores_sum: Tensor,
        fg_mask: Tensor,
        imgsz: Tensor,
        stride: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Box and distribution loss, two scalars; the arguments are those of `BboxLoss`."""
        _, distances = super().forward(
            pred_dist,
            pred_bboxes,
            anchor_points,
            target_bboxes,
            target_scores,
            target_scores_sum,
            fg_mask,
            imgsz,
            stride,
        )
        weight = target_scores[fg_mask].sum(-1, keepdim=True)
        iou = bbox_iou(pred_bboxes[fg_mask], target_bboxes[fg_mask], xywh=False, GIoU=True)
        return ((1.0 - iou) * weight).sum() / target_scores_sum, distances


class DetectionLoss(v8DetectionLoss):  # type: ignore[misc]
    """`v8DetectionLoss` with the terms of choice.

    Args:
        model: A detection model with `args`.
        losses: Which terms.
        assignment: What `v8DetectionLoss` takes besides.
    """

    def __init__(self, model: nn.Module, losses: Losses, **assignment: Any) -> None:
        super().__init__(model, **assignment)
        if losses.classes == "focal":
            self.bce = partial(sigmoid_focal_loss, reduction="none")
        if losses.boxes == "giou":
            self.bbox_loss = GIoUBoxLoss(self.reg_max).to(self.device)


def criterion(model: nn.Module, losses: Losses) -> Any:
    """The loss of a detection model, as its `init_criterion` makes it but for the terms.

    Args:
        model: A detection model with `args`.
        losses: Which terms.
    """
    of_losses = partial(DetectionLoss, losses=losses)
    head = model.model[-1]  # type: ignore[index]
    return E2ELoss(model, of_losses) if getattr(head, "one2one_cv2", None) is not None else of_losses(model)


def as_float32(predicted: Any) -> Any:
    """A head's training output with boxes and scores in float32; of `feats` the loss reads shapes only.

    Args:
        predicted: A dict of tensors, or of such dicts (`one2many` and `one2one`).
    """
    return {
        name: as_float32(value) if isinstance(value, dict) else value.float() if torch.is_tensor(value) else value
        for name, value in predicted.items()
    }
