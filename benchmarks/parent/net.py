"""The weight-sharing parent: the largest nets of a space, of which every design is a cut.

One set of weights a row and kind of block: the stages exist as ghost bottlenecks and as C3k2, their down-samplers as
ghost bottleneck and as convolution; stem, neck and head once. Each training step takes the loss of one net that is
cut out at random, and its gradient goes to the weights it was cut from.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benchmarks.parent.cut import Cut, Taken, is_head, takes_no_weights
from nas.architecture import Architecture, Downsample, Stage, to_yaml
from nas.errors import UsageError
from nas.model import build
from nas.space import SearchSpace

FAMILIES = ("ghost", "c3k2")
_SHARED: dict[str, set[Any]] = {
    "neck": {"pan"},
    "head": {"yolo11"},
    "end2end": {False},
    "levels": {"P3-P5"},
    "sppf": {True},
    "c2psa": {True},
}
_DOWN_SAMPLERS = (1, 3, 5, 7)
_HEAD, _UNDIVIDED = "head", "head-1"
"""The head with bins, and the one whose last convolution gives a distance itself."""


class Parent(nn.Module):
    """All weights of a space's designs.

    Args:
        space: The space; its stages may be ghost bottlenecks and C3k2.
        classes: Number of classes.
        seed: Seed of the weights.

    Raises:
        UsageError: The space holds something that no rule cuts.
    """

    def __init__(self, space: SearchSpace, classes: int, seed: int = 0) -> None:
        super().__init__()
        _check(space)
        self.classes = classes
        self.rows = nn.ModuleDict()
        self.widths: dict[int, int] = {}
        for largest in _largest(space):
            model = build(to_yaml(largest, classes), seed=seed)
            sources: Any = model.model
            for index, row in enumerate(sources):
                key = _key(index, sources)
                if key is not None and key not in self.rows:
                    self.rows[key] = row
            self.widths |= _widths(model)

    def cut(self, model: nn.Module) -> list[Taken]:
        """What a design of the space takes, tensor by tensor; all of its parameters but the constant bins.

        Args:
            model: The design's detector, unfused.
        """
        cut = Cut(model)
        channels: dict[int, Tensor] = {-1: torch.arange(3)}
        for index, row in enumerate(model.model):  # type: ignore[arg-type]
            sources = [index - 1 if one == -1 else one for one in (row.f if isinstance(row.f, list) else [row.f])]
            key = _key(index, model.model)
            if takes_no_weights(row):
                starts = [sum(self.widths[one] for one in sources[:place]) for place in range(len(sources))]
                channels[index] = torch.cat([channels[one] + at for one, at in zip(sources, starts, strict=True)])
            elif is_head(row):
                undivided = self.rows[_UNDIVIDED] if row.reg_max == 1 else None
                cut.detect(row, self.rows[_HEAD], [channels[one] for one in sources], undivided)
            else:
                channels[index] = cut.row(row, self.rows[str(key)], channels[sources[0]])
        return cut.taken

    def child(self, arch: Architecture) -> "Child":
        """A design that computes with the parent's weights."""
        return Child(build(to_yaml(arch, self.classes), seed=0), self)


class Child:
    """A design's detector, and what of the parent it takes.

    Args:
        model: The detector, unfused; its own weights are not used.
        parent: The parent.
    """

    def __init__(self, model: nn.Module, parent: Parent) -> None:
        self.model = model
        self.taken = parent.cut(model)

    def weights(self) -> Mapping[str, Tensor]:
        """The parent's weights as the design has them, through which a gradient flows."""
        return {one.name: one.value() for one in self.taken}

    def __call__(self, images: Tensor) -> Any:
        """What the design answers with the parent's weights (its BatchNorm statistics are its own)."""
        return functional_call(self.model, dict(self.weights()), (images,))

    @torch.no_grad()
    def standalone(self) -> nn.Module:
        """The detector with a copy of the parent's weights."""
        own = dict(self.model.named_parameters())
        for one in self.taken:
            own[one.name].copy_(one.value())
        return self.model


def _check(space: SearchSpace) -> None:
    for name, choices in space.choices.items():
        if name == "c3k" and len(choices) > 1:
            raise UsageError(f"{space.name}: c3k {' and '.join(choices)} build other blocks, which share no weights")
        if name.endswith(".block"):
            foreign = set(choices) - set(FAMILIES)
        elif name.endswith(".ratio"):
            foreign = set(choices) - {2}
        else:
            foreign = set(choices) - _SHARED.get(name, set(choices))
        if foreign:
            raise UsageError(f"{space.name}: {name} {', '.join(map(str, sorted(foreign)))} cannot share weights")


def _largest(space: SearchSpace) -> list[Architecture]:
    """The designs that hold every weight of the space: of ghost bottlenecks and of C3k2, with either down-sampler."""
    base = space.largest()[-1]
    depth = max(max(space.choices[f"{level}.depth"]) for level in ("P2", "P3", "P4", "P5"))
    largest = []
    samplers: tuple[Downsample, ...] = ("ghost", "conv")
    for block, downsample in product(FAMILIES, samplers):
        stages = []
        for level, stage in zip(("P2", "P3", "P4", "P5"), base.stages, strict=True):
            numbers = {
                name: max(space.choices[f"{level}.{name}"]) for name in ("width", "expansion", "dfc_kernel", "se")
            }
            ghost = Stage("ghost", stage.width, 2, 1.0, 3, 1, True, downsample)
            wide = replace(ghost, depth=max(depth, 2), **numbers)  # always a sequence of blocks
            stages.append(wide if block == "ghost" else Stage("c3k2", wide.width, wide.depth, downsample=downsample))
        p2, p3, p4, p5 = stages
        largest.append(replace(base, stages=(p2, p3, p4, p5), reg_max=max(space.choices["reg_max"])))
    return [*largest, replace(largest[0], reg_max=1)]


def _key(index: int, rows: Any) -> str | None:
    """Which weights a row has; None for none.

    A down-sampler belongs to the stage after it: before C3k2 it may have half of the stage's width.
    """
    if takes_no_weights(rows[index]):
        return None
    if is_head(rows[index]):
        return _HEAD if rows[index].reg_max > 1 else _UNDIVIDED
    kinds = [_kind(rows[index])] + ([_kind(rows[index + 1])] if index in _DOWN_SAMPLERS else [])
    return "-".join([str(index), *kinds])


def _kind(row: nn.Module) -> str:
    return type(row[0] if isinstance(row, nn.Sequential) else row).__name__


def _widths(model: nn.Module) -> dict[int, int]:
    """Channels of each row's output."""
    widths: dict[int, int] = {}
    hooks = [
        row.register_forward_hook(lambda _, __, out, at=index: widths.__setitem__(at, int(out.shape[1])))
        for index, row in enumerate(model.model)  # type: ignore[arg-type]
        if not is_head(row)
    ]
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    model.train()
    return widths
