"""The steps of a proxy training without its score: what the parts time."""

import time
from dataclasses import replace

import torch

from nas.architecture import Architecture, to_yaml
from nas.data import load, pixels
from nas.model import build
from nas.proxy import (
    Order,
    ProxySettings,
    TrainingLock,
    augmented,
    descend,
    find_device,
    find_precision,
    optimizer_of,
    passing,
    settle,
)
from nas.proxy.ema import AveragedWeights
from nas.proxy.fast_depthwise import quick_depthwise
from nas.proxy.loss import Objective
from nas.proxy.train import changed_share
from nas.space import shipped_literals

MOST_STEPS = 1_000_000


def design(name: str, imgsz: int) -> Architecture:
    """A shipped literal at an input size."""
    found = shipped_literals()[name].architecture
    assert found is not None
    return replace(found, imgsz=imgsz)


class Loop:
    """A proxy training that can be stepped.

    Attributes:
        losses: Of each step, as tensors on the device.
    """

    def __init__(
        self, arch: Architecture, device: str, precision: str = "auto", steps: int = MOST_STEPS, batch: int = 16
    ) -> None:
        """Build the design on the device."""
        data = load(None)
        settings = ProxySettings(steps=steps, batch=batch, device=device, precision=precision)
        self._place = find_device(device)
        self._precision = find_precision(precision, self._place)
        self._source = pixels(data.train, arch.imgsz)
        self._model = build(to_yaml(arch, data.nc), seed=0).train()
        self._model.to(self._place, memory_format=torch.channels_last)
        self._average = AveragedWeights(self._model, settings.ema, settings.ema_tau)
        self._objective = Objective(self._model, arch.imgsz, settings, self._place, self._precision)
        self._optimizer = optimizer_of(self._objective.learner, settings)
        self._parameters = [one for one in self._objective.learner.parameters() if one.requires_grad]
        self._random = torch.Generator().manual_seed(0)
        self._order = Order(len(self._source), batch, self._random)
        self._share = changed_share(len(self._source), replace(settings, steps=45))
        self._clip = settings.clip
        self.losses: list[torch.Tensor] = []

    def step(self, lock: TrainingLock | None = None) -> None:
        """One step, as `nas.proxy.train` makes it."""
        with passing(lock, self._place), quick_depthwise(self._model, self._place, self._precision):
            batch = augmented(self._source, self._order.next(), self._random, self._place, self._share)
            loss = self._objective(batch)
            self.losses.append(loss.detach())
            loss.backward()
            descend(self._parameters, self._optimizer, self._clip)
            self._average.update()
            self._objective.stepped()

    def ms_a_step(self, steps: int, warm: int = 3) -> float:
        """Milliseconds a step, the mean of so many after a few untimed ones."""
        for _ in range(warm):
            self.step()
        settle(self._place)
        began = time.perf_counter()
        for _ in range(steps):
            self.step()
        settle(self._place)
        return 1e3 * (time.perf_counter() - began) / steps
