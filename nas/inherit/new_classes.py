"""A loss for classes that a source does not know: its last class convolutions, trained alone.

All below them stays as it is, so the pictures pass the network once.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nas.data import Pixels
from nas.inherit.amounts import batch_at, pictures_at
from nas.inherit.taylor import CPU, training_outputs
from nas.model import as_float32
from nas.proxy import ProxySettings, augmented, loss_of

_PICTURES = 128


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What the last layers are trained on: a batch's maps before them, its other predictions, its objects."""

    maps: dict[nn.Module, Tensor]
    predicted: dict[str, Any]
    targets: dict[str, Tensor]


@contextmanager
def trained_classes(model: Any, pictures: Pixels, steps: int = 20, lr: float = 0.01) -> Iterator[None]:
    """Inside, the last layers of the class branches have been trained alone; afterwards they are what they were.

    Args:
        model: The source, with the data's classes.
        pictures: Training pictures with their boxes.
        steps: How many, of a batch each.
        lr: Highest learning rate.
    """
    last = [branch[-1] for branches in _branches(model).values() for branch in branches]
    parameters = [parameter for layer in last for parameter in layer.parameters()]
    before = [parameter.detach().clone() for parameter in parameters]
    with training_outputs(model):
        seen = list(_pass(model, pictures, last))
        objective = loss_of(model, ProxySettings(steps=steps), pictures.images.shape[-1])
        for parameter in parameters:
            parameter.requires_grad_(True)
        optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=0.0)
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = lr * min(1.0, (step + 1) / 5) * (1 + math.cos(math.pi * step / steps)) / 2
            batch = seen[step % len(seen)]
            loss, _ = objective(as_float32(_predicted(model, batch)), batch.targets)
            optimizer.zero_grad()
            loss.sum().backward()
            optimizer.step()
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(parameters, before, strict=True):
                parameter.copy_(value)


def _branches(model: Any) -> dict[str, Any]:
    """The class branches by what the head calls their predictions."""
    head = model.model[-1]
    both = {"one2many": head.cv3, "one2one": getattr(head, "one2one_cv3", None)}
    return {name: branches for name, branches in both.items() if branches is not None}


@torch.no_grad()
def _pass(model: Any, pictures: Pixels, last: list[nn.Module]) -> Iterator[_Seen]:
    """What a few pictures are before the last layers, batch by batch."""
    random = torch.Generator().manual_seed(0)
    imgsz = pictures.images.shape[-1]
    order = torch.randperm(len(pictures), generator=random)[: pictures_at(_PICTURES, imgsz)]
    for chosen in torch.split(order, batch_at(imgsz)):
        batch, maps = augmented(pictures, chosen, random, CPU, 0.0), dict[nn.Module, Tensor]()
        with ExitStack() as hooks:
            for layer in last:
                hook = layer.register_forward_pre_hook(lambda one, given, maps=maps: maps.__setitem__(one, given[0]))
                hooks.callback(hook.remove)
            predicted = model(batch.images)
        yield _Seen(maps, predicted, batch.targets())


def _predicted(model: Any, seen: _Seen) -> dict[str, Any]:
    """A batch's predictions with the scores of the last layers as they are now."""
    scores = {
        name: torch.cat([branch[-1](seen.maps[branch[-1]]).flatten(2) for branch in branches], 2)
        for name, branches in _branches(model).items()
    }
    if "one2one" not in scores:
        return {**seen.predicted, "scores": scores["one2many"]}
    return {name: {**seen.predicted[name], "scores": score} for name, score in scores.items()}
