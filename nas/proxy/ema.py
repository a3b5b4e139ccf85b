"""Averaged weights, and BatchNorm statistics that belong to them."""

import math
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from nas.data import Pixels
from nas.proxy.augment import plain_images
from nas.proxy.device import Precision, TrainingLock, autocast, passing


class AveragedWeights:
    """An exponential moving average of a model's parameters.

    The memory grows with the steps (decay `limit * (1 - exp(-step / tau))`), so that the random start is soon
    forgotten in a short training. Buffers are not averaged: the BatchNorm statistics are taken anew.
    """

    def __init__(self, model: nn.Module, limit: float, tau: float) -> None:
        """Start from the model as it is.

        Args:
            model: The model in training.
            limit: The decay in the end.
            tau: Steps in which the memory grows.
        """
        self.model = deepcopy(model).requires_grad_(False)
        self._limit, self._tau, self._step = limit, tau, 0
        self._mine: list[Tensor] = list(self.model.parameters())
        self._theirs: list[Tensor] = list(model.parameters())

    @torch.no_grad()
    def update(self) -> None:
        """Take in the model's present weights."""
        self._step += 1
        decay = self._limit * (1 - math.exp(-self._step / self._tau))
        torch._foreach_lerp_(self._mine, self._theirs, 1 - decay)

    def state(self) -> dict[str, Any]:
        """The average and its age, for a training that is broken off."""
        return {"step": self._step, "model": self.model.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self._step = state["step"]
        self.model.load_state_dict(state["model"])


@torch.no_grad()
def recalibrate(
    model: nn.Module,
    source: Pixels,
    pictures: int,
    batch: int,
    device: torch.device,
    precision: Precision,
    lock: TrainingLock | None = None,
) -> None:
    """Reset every BatchNorm and take its statistics anew, the plain mean over unaugmented batches.

    Args:
        model: The model, changed in place and left in evaluation mode.
        source: Training pictures.
        pictures: How many of them, spread evenly over the set.
        batch: Most pictures a batch.
        device: Where the model lies.
        precision: What to compute in.
        lock: The machine lock.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative mean
    model.eval()
    for norm in norms:
        norm.train()
    chosen = torch.linspace(0, len(source) - 1, min(pictures, len(source))).long()
    # Even parts: a last one of a single picture has no statistics where a map is 1x1.
    for part in torch.tensor_split(chosen, math.ceil(len(chosen) / batch)):
        with passing(lock, device), autocast(device, precision):
            model(plain_images(source, part, device).contiguous(memory_format=torch.channels_last))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()
