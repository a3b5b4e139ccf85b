"""Training a parent: each step the loss of one design that is cut out at random."""

import math
import random
import time
from dataclasses import dataclass

import torch

from nas.data.pixels import pixels
from nas.data.values import DetectionData
from nas.errors import ProxyError
from nas.losses import as_float32
from nas.proxy.augment import augmented
from nas.proxy.average import AveragedWeights
from nas.proxy.machine import StepGate, autocast, find_device, find_precision, passing, threads
from nas.proxy.objective import loss_of
from nas.proxy.parent import Parent
from nas.proxy.train import changed_share, descend, learning_rate, optimizer_of, orders
from nas.proxy.values import ProxySettings
from nas.space import SearchSpace


@dataclass(frozen=True, slots=True)
class ParentTraining:
    """What a parent's training gave.

    Attributes:
        steps: Steps trained.
        seconds: Wall time.
        train_loss: Mean loss a picture over the last tenth of the steps.
    """

    steps: int
    seconds: float
    train_loss: float


def train_parent(
    parent: Parent,
    space: SearchSpace,
    data: DetectionData,
    settings: ProxySettings,
    turnstile: StepGate | None = None,
) -> tuple[ParentTraining, Parent]:
    """Train a parent, one random design of the space a step.

    Args:
        parent: The parent, trained in place.
        space: Its space.
        data: The data set.
        settings: How to train; `seed` also draws the designs.
        turnstile: Passed with every batch.

    Returns:
        What it took, and the parent with averaged weights.

    Raises:
        ProxyError: The loss is not finite.
        DataError: The pictures cannot be read or do not fit into memory.
    """
    device = find_device(settings.device)
    precision = find_precision(settings.precision, device)
    drawn, generator = random.Random(settings.seed), torch.Generator().manual_seed(settings.seed)
    started, tail = time.monotonic(), []
    with threads(settings.threads):
        parent.train().to(device)
        average = AveragedWeights(parent, settings.ema, settings.ema_tau)
        parameters = [parameter for parameter in parent.parameters() if parameter.requires_grad]
        optimizer = optimizer_of(parent, settings)
        pictures = len(data.train)
        share = changed_share(pictures, settings)
        for step, chosen in enumerate(orders(pictures, settings, generator)):
            arch = space.decode(space.sample(drawn))
            source = pixels(data.train, arch.imgsz)
            with passing(turnstile):
                child = parent.child(arch)
                model = child.model.train().to(device)
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(step, settings)
                batch = augmented(source, chosen, generator, device, share)
                with autocast(device, precision):
                    predicted = child(batch.images.contiguous(memory_format=torch.channels_last))
                losses, _ = loss_of(model, settings)(as_float32(predicted), batch.targets())
                loss = losses.sum()
                value = float(loss.detach())
                if not math.isfinite(value):
                    raise ProxyError(f"the parent's loss became {value} at step {step + 1} ({arch.key})")
                descend(loss, parameters, optimizer, settings.clip)
                average.update()
            if step >= settings.steps - max(1, settings.steps // 10):
                tail.append(value / settings.batch)
    trained: Parent = average.model  # type: ignore[assignment]
    return ParentTraining(settings.steps, time.monotonic() - started, sum(tail) / len(tail)), trained
