"""What a training step minimises: Ultralytics' detection loss, and beside it what a teacher has to say.

A teacher is Ultralytics' own `DistillationModel`: the student's neck maps are drawn to the teacher's, most where the
teacher sees an object.
"""

from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.model import as_float32, criterion
from nas.proxy.augment import Batch
from nas.proxy.device import Precision, autocast
from nas.proxy.pretrained import load_known
from nas.proxy.settings import ProxySettings


class Objective:
    """A model's loss of a batch.

    Attributes:
        device: Where it is computed.
        learner: What is trained: the model, with a teacher also the projections onto its maps.
    """

    def __init__(
        self, model: nn.Module, imgsz: int, settings: ProxySettings, device: torch.device, precision: Precision
    ) -> None:
        """Begin.

        Args:
            model: A detection model in training mode, on the device.
            imgsz: Side of the square input.
            settings: How to train.
            device: Where the model lies.
            precision: What to compute in.

        Raises:
            UsageError: The teacher's maps are not the model's.
            ModelError: The teacher cannot be loaded.
        """
        self.device, self._precision = device, precision
        self._criterion = loss_of(model, settings, imgsz)
        self._model = model
        self._distilled = None if settings.teacher is None else distilled(model, settings.teacher, self._of_predictions)
        self.learner: nn.Module = model if self._distilled is None else self._distilled

    def __call__(self, batch: Batch) -> Tensor:
        """The loss, a scalar: box, class and DFL terms (and the teacher's), times the batch."""
        images = batch.images.contiguous(memory_format=torch.channels_last)
        with autocast(self.device, self._precision):
            if self._distilled is not None:
                losses, _ = self._distilled.loss({"img": images, **batch.targets()})
                return losses.sum()  # type: ignore[no-any-return]
            predicted = self._model(images)
        losses, _ = self._of_predictions(predicted, batch.targets())
        return losses.sum()  # type: ignore[no-any-return]

    def stepped(self) -> None:
        """A step was made: with one-to-one branches, the one-to-many ones lose weight."""
        if hasattr(self._criterion, "update"):
            self._criterion.update()

    def _of_predictions(self, predicted: Any, targets: dict[str, Tensor]) -> Any:
        with torch.autocast(self.device.type, enabled=False):
            return self._criterion(as_float32(predicted), targets)


def loss_of(model: nn.Module, settings: ProxySettings, imgsz: int = 640) -> Any:
    """Ultralytics' detection loss for a model, with the terms of choice; it gives the model its arguments.

    Args:
        model: A detection model.
        settings: How to train.
        imgsz: Side of the square input.
    """
    from ultralytics.cfg import get_cfg

    # Ultralytics' default gains (box 7.5, class 0.5, DFL 1.5), which a model made from a YAML lacks; the steps stand
    # for the epochs in which the loss of one-to-one branches takes over.
    model.args = get_cfg(overrides={"epochs": settings.steps, "imgsz": imgsz})
    return criterion(model, settings.losses)


def distilled(student: Any, teacher: str, loss: Any) -> Any:
    """Ultralytics' pair of a teacher and a student, in training mode.

    Args:
        student: The detector in training; its own loss becomes `loss`.
        teacher: Checkpoint of a detector with the same output strides.
        loss: From predictions and targets to the student's losses.

    Raises:
        UsageError: Their strides differ.
        ModelError: The teacher cannot be loaded.
    """
    from ultralytics.nn.distill_model import DistillationModel

    model = load_known(teacher)
    check_strides(model, student, teacher)
    student.criterion = loss
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of the projections onto the teacher's maps
        return DistillationModel(model, student).train()


def check_strides(teacher: Any, student: Any, name: str) -> None:
    """Whether a teacher's maps have the sizes of a student's.

    Args:
        teacher: A detector.
        student: Another.
        name: The teacher's file, for the message.

    Raises:
        UsageError: They differ.
    """
    theirs, ours = ([int(one) for one in model.stride] for model in (teacher, student))
    if theirs != ours:
        raise UsageError(f"the teacher {name} detects at strides {theirs}, the design at {ours}: it cannot teach it")
