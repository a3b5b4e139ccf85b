"""Training a parent: each step the loss of designs that are cut out at random."""

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.parent.net import Parent
from nas.architecture import Architecture
from nas.data import DetectionData, pixels
from nas.errors import ProxyError
from nas.model import as_float32
from nas.proxy import (
    Order,
    ProxySettings,
    StepGate,
    augmented,
    descend,
    find_device,
    find_precision,
    learning_rate,
    loss_of,
    optimizer_of,
    passing,
    set_learning_rate,
    threads,
)
from nas.proxy.augment import Batch
from nas.proxy.device import Precision, autocast
from nas.proxy.ema import AveragedWeights
from nas.proxy.fast_depthwise import quick_depthwise
from nas.proxy.train import changed_share
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
    sandwich: bool = False,
) -> tuple[ParentTraining, Parent]:
    """Train a parent: each step the loss of one random design of the space, or of a sandwich.

    A sandwich is a largest design, the smallest and two random ones of one input size; those after the first also learn
    its class scores (Yu et al. 2020, arXiv 2003.11142, section 3.1). Its step costs about four times as much.

    Args:
        parent: The parent, trained in place.
        space: Its space.
        data: The data set.
        settings: How to train; `seed` also draws the designs.
        turnstile: Passed with every batch.
        sandwich: Whether a step takes a sandwich.

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
        order = Order(pictures, settings.batch, generator)
        for step in range(settings.steps):
            chosen = order.next()
            designs = _sandwich(space, drawn) if sandwich else [space.decode(space.sample(drawn))]
            source = pixels(data.train, designs[0].imgsz)
            with passing(turnstile, device):
                set_learning_rate(optimizer, learning_rate(step, settings))
                batch = augmented(source, chosen, generator, device, share)
                value = _gradients(parent, designs, batch, settings, device, precision)
                if not math.isfinite(value):
                    raise ProxyError(f"the parent's loss became {value} at step {step + 1} ({designs[0].key})")
                descend(parameters, optimizer, settings.clip)
                average.update()
            if step >= settings.steps - max(1, settings.steps // 10):
                tail.append(value / settings.batch)
    trained: Parent = average.model  # type: ignore[assignment]
    return ParentTraining(settings.steps, time.monotonic() - started, sum(tail) / len(tail)), trained


def _sandwich(space: SearchSpace, drawn: random.Random) -> list[Architecture]:
    """A largest design, the smallest, two random ones; all of one input size."""
    largest, *others = (space.decode(space.sample(drawn)) for _ in range(3))
    corners = [drawn.choice(space.largest()), space.smallest()[0], *others]
    return [replace(one, imgsz=largest.imgsz) for one in corners]


def _gradients(
    parent: Parent,
    designs: Sequence[Architecture],
    batch: Batch,
    settings: ProxySettings,
    device: torch.device,
    precision: Precision,
) -> float:
    """Add up the designs' gradients, each of its share; returns the mean loss of a batch."""
    images, total = batch.images.contiguous(memory_format=torch.channels_last), 0.0
    wanted: Tensor | None = None
    for arch in designs:
        child = parent.child(arch)
        model = child.model.train().to(device)
        with autocast(device, precision), quick_depthwise(model, device, precision):
            predicted = as_float32(child(images))
        losses, _ = loss_of(model, settings, arch.imgsz)(predicted, batch.targets())
        loss = losses.sum()
        total += float(loss.detach())
        if wanted is not None:
            loss = loss + _soft(predicted["scores"], wanted) * settings.batch
        elif len(designs) > 1:
            wanted = predicted["scores"].detach().sigmoid()
        (loss / len(designs)).backward()
    return total / len(designs)


def _soft(scores: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy to another design's class scores, (B, classes, anchors), normalised by what that one has found."""
    return functional.binary_cross_entropy_with_logits(scores, wanted, reduction="sum") / wanted.sum().clamp(min=1)
