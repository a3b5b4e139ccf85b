"""How much each channel of a source matters on the user's pictures: first-order Taylor importance.

Molchanov et al. 2017, arXiv 1611.06440, section 2.2: the change of the loss without a channel is to first order the sum
of activation times gradient.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nas.data import Pixels
from nas.inherit.amounts import batch_at
from nas.inherit.channel_spaces import Table
from nas.model import as_float32
from nas.proxy import ProxySettings, augmented, loss_of

MOST_PICTURES = 256
LEAST_PICTURES = 32
SECONDS = 40.0
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True, eq=False)
class Taylor:
    """Scores of a source's layers and blocks.

    Attributes:
        scores: By role of a layer, or by role and map of a block.
        pictures: How many training pictures they are the mean of.
    """

    scores: dict[str, Tensor]
    pictures: int


def taylor(source: Table, model: Any, pictures: Pixels, clock: Callable[[], float] = time.monotonic) -> Taylor:
    """Mean over pictures of |sum over positions of activation x gradient of the loss|, a channel.

    As many pictures as fit into 40 s, at least 32 and at most 256 (or as many as there are), spread evenly over the
    set; BatchNorm keeps its statistics.

    Args:
        source: The source's table.
        model: The source, with the data's classes; its parameters need no gradients.
        pictures: Training pictures with their boxes.
        clock: Seconds.
    """
    random = torch.Generator().manual_seed(0)
    imgsz = pictures.images.shape[-1]
    order = torch.randperm(len(pictures), generator=random)
    begun, done = clock(), 0
    with _observed(source) as scores, training_outputs(model):
        objective = loss_of(model, ProxySettings(steps=1), imgsz)
        for chosen in torch.split(order[:MOST_PICTURES], batch_at(imgsz)):
            batch = augmented(pictures, chosen, random, CPU, 0.0)
            # Gradients of the maps alone are asked for, not of the parameters: a third of the work less.
            loss, _ = objective(as_float32(model(batch.images.requires_grad_())), batch.targets())
            loss.sum().backward()
            done += len(chosen)
            if done >= LEAST_PICTURES and clock() - begun > SECONDS * done / (done + len(chosen)):
                break
    return Taylor({role: score / done for role, score in scores.items()}, done)


@contextmanager
def _observed(source: Table) -> Iterator[dict[str, Tensor]]:
    """The sum of |activation x gradient| of every map that is computed inside, by role."""
    scores: dict[str, Tensor] = {}

    def hook(roles: list[str]) -> Callable[[nn.Module, Any, Any], None]:
        def observe(_: nn.Module, __: Any, out: Any) -> None:
            for role, one in zip(roles, out if isinstance(out, list) else [out], strict=True):
                _watch(scores, role, one)

        return observe

    watched = [(layer.module, [layer.role]) for layer in source.layers]
    blocks = [block for block in source.blocks if block.outputs]
    watched += [(block.module, [f"{block.role}:{part.name}" for part in block.outputs]) for block in blocks]
    with ExitStack() as hooks:
        for module, roles in watched:
            hooks.callback(module.register_forward_hook(hook(roles)).remove)
        yield scores


def _watch(scores: dict[str, Tensor], role: str, out: Tensor) -> None:
    """Add to a score when the gradient of a map comes back."""
    activation = out.detach().clone()  # activations work in place

    def add(gradient: Tensor) -> None:
        scores[role] = scores.get(role, 0) + (activation * gradient).sum((2, 3)).abs().sum(0)

    if not out.requires_grad:
        out.requires_grad_()  # one-to-one branches read maps without gradients
    out.register_hook(add)  # type: ignore[no-untyped-call]


@contextmanager
def training_outputs(model: Any) -> Iterator[None]:
    """The head's outputs are those that a loss takes, BatchNorm keeps its statistics, no parameter has gradients."""
    asked = [(one, one.requires_grad) for one in model.parameters()]
    model.train().requires_grad_(False)
    for one in model.modules():
        if isinstance(one, nn.modules.batchnorm._BatchNorm):
            one.eval()
    try:
        yield
    finally:
        model.eval()
        for parameter, wanted in asked:
            parameter.requires_grad_(wanted)
