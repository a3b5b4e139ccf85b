"""Where in a model which rewriting applies."""

from typing import Any

import torch
from torch import nn
from ultralytics.nn.modules.block import DFL
from ultralytics.nn.modules.conv import Concat
from ultralytics.nn.modules.head import Detect
from ultralytics.nn.tasks import DetectionModel

from nas.model.rewrite.cross_stage import cross_stage
from nas.model.rewrite.dfl import ExpectedDistance
from nas.model.rewrite.ghost import halved
from nas.model.rewrite.split_convs import is_a

_OF_A_ROW = ("i", "f", "type", "np")
"""What Ultralytics' parser writes on a row's module."""


def rewritten(model: DetectionModel, picture: torch.Tensor) -> DetectionModel:
    """The same detector with less to do: equal outputs up to float32 rounding, other modules and parameters.

    Args:
        model: A fused detector in evaluation mode; it is changed.
        picture: An input (1, 3, H, W) of the size that the model will see, whatever it shows.
    """
    inputs = _input_shapes(model, picture)
    for index in range(len(model.model)):
        _branch(model, index, inputs)
    for name, module in list(model.named_modules()):
        if is_a(module, "GhostBottleneckV2"):
            _, _, height, width = inputs[module][0]
            halves = halved(module, height * width)
            if halves is not None:
                parent, _, last = name.rpartition(".")
                setattr(model.get_submodule(parent), last, _in_place_of(module, halves))
        elif isinstance(module, Detect) and isinstance(module.dfl, DFL):
            module.dfl = ExpectedDistance(module.dfl)
    return model


def _branch(model: DetectionModel, index: int, inputs: dict[nn.Module, list[torch.Size]]) -> None:
    """Give a cross-stage row two branches; behind a concat, of the maps before it."""
    rows: Any = model.model
    concat = rows[index - 1]
    joins = isinstance(concat, Concat) and concat.d == 1 and rows[index].f == -1 and index - 1 not in model.save
    # Of several maps one at least keeps its size, which is that of the concat.
    joins = joins and len(set(concat.f)) > 1
    module = cross_stage(rows[index], [shape[1] for shape in inputs[concat if joins else rows[index]]])
    if module is None:
        return
    rows[index] = _in_place_of(rows[index], module)
    if joins:
        sources = [_before_upsample(model, one if one >= 0 else index - 1 + one) for one in concat.f]
        _idle(model, index - 1)
        rows[index].f = sources
        model.save = sorted({*model.save, *sources})


def _before_upsample(model: DetectionModel, index: int) -> int:
    """The row whose map a row enlarges by nearest neighbour for nobody but the next one; else the row itself."""
    row: Any = model.model[index]
    if not (isinstance(row, nn.Upsample) and row.mode == "nearest" and index not in model.save and row.f == -1):
        return index
    _idle(model, index)
    return index - 1


def _idle(model: DetectionModel, index: int) -> None:
    """Let a row pass on what it is given."""
    model.model[index] = _in_place_of(model.model[index], nn.Identity())
    model.model[index].f = -1


def _in_place_of(old: nn.Module, new: nn.Module) -> nn.Module:
    """The new module, with what the parser wrote on the old one where that was a row."""
    for name in _OF_A_ROW:
        if hasattr(old, name):
            setattr(new, name, getattr(old, name))
    return new.train(old.training)


def _input_shapes(model: DetectionModel, picture: torch.Tensor) -> dict[nn.Module, list[torch.Size]]:
    """The shapes of the maps that each module is given."""
    shapes: dict[nn.Module, list[torch.Size]] = {}

    def note(module: nn.Module, given: tuple[Any, ...]) -> None:
        maps = given[0] if isinstance(given[0], list | tuple) else given
        shapes[module] = [one.shape for one in maps if isinstance(one, torch.Tensor)]

    hooks = [module.register_forward_pre_hook(note) for module in model.modules()]
    try:
        with torch.no_grad():
            model(picture)
    finally:
        for hook in hooks:
            hook.remove()
    return shapes
