"""Blocks of another family learn what the source's stages do, before anything is trained as a whole.

Moons et al. 2021, DONNA, arXiv 2012.08859, section 3.2: each stage of a design is trained alone to make the source's
output map of the source's input map, all of them at once from one pass of the source.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nas.data import Pixels
from nas.errors import ModelError
from nas.inherit.amounts import batch_at
from nas.inherit.on_data import repair_images
from nas.inherit.stage_pairs import Stage
from nas.inherit.stage_start import begin, raw_maps
from nas.inherit.taylor import CPU
from nas.proxy import (
    Order,
    ProxySettings,
    TrainingLock,
    augmented,
    descend,
    learning_rate,
    optimizer_of,
    passing,
    set_learning_rate,
)
from nas.util.torch_threads import threads

_CHANGED = 0.3  # share of the pictures that are changed in size, place and colour
_FLOOR = 0.1  # of the mean variance, added to each channel's: channels that are nearly dead have nothing to learn


@dataclass(frozen=True, slots=True)
class Taught:
    """How a stage learnt.

    Attributes:
        role: Of its last block.
        before: Squared error of its map against the source's as a share of the variance, the mean over channels.
        after: The same after the teaching.
    """

    role: str
    before: float
    after: float


Maps = dict[str, tuple[Tensor, Tensor]]
"""By a stage's role: what it is to read and to write, (B, C, H, W) each."""


def teach(
    stages: Sequence[Stage],
    source: Any,
    pictures: Pixels,
    steps: int = 100,
    lr: float = 0.01,
    seed: int = 0,
    lock: TrainingLock | None = None,
) -> tuple[Taught, ...]:
    """Let stages of a design learn the maps that the source's stages make, in one thread.

    The same stages, source and pictures give the same bits; no global random state is used. BatchNorm statistics of
    the design are to be taken anew afterwards.

    Args:
        stages: Of the design (`Transfer.stages`); their modules are changed in place and left in evaluation mode.
        source: The source's model, with statistics of these pictures.
        pictures: Training pictures (N, 3, S, S).
        steps: How many, of a batch each.
        lr: Highest learning rate.
        seed: Of the order of the pictures and their augmentation.
        lock: Passed with every batch.

    Returns:
        How each stage learnt; nothing where there are none.

    Raises:
        ModelError: The error of a stage is not finite.
    """
    if not stages:
        return ()
    with threads(1), _observed(stages, source.eval()) as look:
        with passing(lock, CPU):
            known = look(repair_images(pictures))
            raw = raw_maps(stages, source, repair_images(pictures))
            for stage in stages:
                read, written = known[stage.role]
                begin(stage, read, written, raw.get(stage.role))
            before = _errors_of(stages, known)
        _train(stages, look, pictures, steps, lr, seed, lock)
        with passing(lock, CPU):
            after = _errors_of(stages, known)
    for stage in stages:
        _modules(stage).eval()
    return tuple(Taught(stage.role, before[stage.role], after[stage.role]) for stage in stages)


def _train(
    stages: Sequence[Stage],
    look: Any,
    pictures: Pixels,
    steps: int,
    lr: float,
    seed: int,
    lock: TrainingLock | None,
) -> None:
    batch = min(batch_at(pictures.images.shape[-1]), len(pictures))
    settings = ProxySettings(
        steps=steps, batch=batch, lr=lr, lr_inputs=None, horizon=1, warmup=0.1, final_lr=0.05, weight_decay=0.0
    )
    learner = nn.ModuleList(_modules(stage) for stage in stages).train()
    parameters = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    optimizer, random = optimizer_of(learner, settings), torch.Generator().manual_seed(seed)
    order = Order(len(pictures), batch, random)
    for step in range(steps):
        set_learning_rate(optimizer, learning_rate(step, settings))
        with passing(lock, CPU):
            maps = look(augmented(pictures, order.next(), random, CPU, _CHANGED).images)
            errors = torch.stack([_error(stage, *maps[stage.role]) for stage in stages])
            if not errors.isfinite().all():
                bad = stages[int((~errors.isfinite()).nonzero()[0])].role
                raise ModelError(f"teaching {bad}: its error is not finite at step {step + 1} of {steps}")
            errors.sum().backward()  # type: ignore[no-untyped-call]
            descend(parameters, optimizer, settings.clip)


@contextmanager
def _observed(stages: Sequence[Stage], source: Any) -> Iterator[Any]:
    """A function from pictures to the maps of every stage, as the source makes them."""
    read, written = dict[str, Tensor](), dict[str, Tensor]()

    def look(images: Tensor) -> Maps:
        with torch.no_grad():
            source(images)
        return {stage.role: (read[stage.role], written[stage.role]) for stage in stages}

    with ExitStack() as hooks:
        for one in stages:

            def reads(_: nn.Module, given: tuple[Tensor], one: Stage = one) -> None:
                read[one.role] = given[0][:, one.read]

            def writes(_: nn.Module, __: Any, out: Tensor, one: Stage = one) -> None:
                written[one.role] = out[:, one.written]

            hooks.callback(one.first.module.register_forward_pre_hook(reads).remove)
            hooks.callback(one.last.module.register_forward_hook(writes).remove)
        yield look


def _modules(stage: Stage) -> nn.Sequential:
    return nn.Sequential(*(one.module for one in stage.members))


def _error(stage: Stage, read: Tensor, written: Tensor) -> Tensor:
    """Squared error of a stage's map as a share of the variance of the source's, the mean over channels."""
    variance = written.var((0, 2, 3))
    made: Tensor = _modules(stage)(read)
    error: Tensor = (made - written).square().mean((0, 2, 3)) / (variance + _FLOOR * variance.mean())
    return error.mean()


@torch.no_grad()
def _errors_of(stages: Sequence[Stage], known: Maps) -> dict[str, float]:
    """The errors with the statistics of these pictures."""
    for stage in stages:
        _modules(stage).train()
    return {stage.role: float(_error(stage, *known[stage.role])) for stage in stages}
