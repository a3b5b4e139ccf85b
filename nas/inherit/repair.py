"""What is lost with the channels that a design did not take, repaired in closed form: ridge regression, layer by layer.

He et al. 2017, arXiv 1707.06168, section 3.1, with the source's own outputs as the target: each convolution is fitted
so that, from the channels that are left, it computes what the source's convolution computes from all of its own. Layers
are fitted in the order of the computation, and each sees what those before it, fitted already, make of the pictures.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.inherit.transfer import Counterpart

POSITIONS = 8192
_STRENGTH = 0.03  # of the ridge, as a share of the mean square of the inputs


@torch.no_grad()
def refit(counterparts: Sequence[Counterpart], source: Any, design: Any, images: Tensor) -> None:
    """Fit every full convolution of a design whose outputs are known, and take its BatchNorm statistics on the way.

    Args:
        counterparts: The design's layers and what they are to compute.
        source: The source's model.
        design: The design's model, changed in place; it is left in evaluation mode.
        images: (B, 3, S, S) pictures; the more channels, the more are needed.
    """
    fitted = [one for one in counterparts if one.layer.kind in ("plain", "qkv")]
    random = torch.Generator().manual_seed(0)
    wanted = _wanted(fitted, source.eval(), images, random)
    with ExitStack() as hooks:
        for conv, (at, outputs) in wanted.items():
            hooks.callback(conv.register_forward_pre_hook(_fit(at, outputs)).remove)
        for module in design.eval().modules():
            if isinstance(module, nn.BatchNorm2d):
                hooks.callback(module.register_forward_pre_hook(_take_statistics).remove)
        design(images)


def _wanted(
    fitted: Sequence[Counterpart], source: Any, images: Tensor, random: torch.Generator
) -> dict[nn.Module, tuple[Tensor, Tensor]]:
    """For each of the design's convolutions: positions, and what the source's computes there (N, channels).

    One-to-many branches that a source without NMS does not run are left out.
    """
    found: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def observe(one: Counterpart) -> Any:
        def hook(_: nn.Module, __: Any, out: Tensor) -> None:
            places = out.shape[0] * out.shape[2] * out.shape[3]
            at = torch.randperm(places, generator=random)[:POSITIONS]
            rows = out.permute(0, 2, 3, 1).reshape(places, -1)
            found[one.layer.conv] = at, rows[at][:, one.rows]

        return hook

    with ExitStack() as hooks:
        for one in fitted:
            hooks.callback(one.source.conv.register_forward_hook(observe(one)).remove)
        source(images)
    return found


def _fit(at: Tensor, wanted: Tensor) -> Any:
    """A hook that gives a convolution its weight as it is called."""
    return lambda conv, given: fit(conv, given[0], at, wanted)


@torch.no_grad()
def fit(conv: nn.Conv2d, x: Tensor, at: Tensor, wanted: Tensor) -> None:
    """Give a convolution the weight that computes some outputs best, but for a constant a channel.

    Args:
        conv: Without bias, changed in place.
        x: (B, C, H, W) what it is called with.
        at: (N,) indices of output positions, counted over pictures, rows and columns.
        wanted: (N, output channels) what it is to compute there.
    """
    seen, known = _patches(conv, x, at).double(), conv.weight.flatten(1).double().T
    seen, target = seen - seen.mean(0), wanted.double() - wanted.double().mean(0)
    square = seen.T @ seen
    ridge = _STRENGTH * square.diagonal().mean() * torch.eye(len(square), dtype=torch.float64)
    # Drawn to the weight that was inherited, where the pictures do not say otherwise.
    weight = torch.linalg.solve(square + ridge, seen.T @ target + ridge @ known)
    conv.weight.copy_(weight.T.reshape(conv.weight.shape))


def _patches(conv: nn.Conv2d, x: Tensor, at: Tensor) -> Tensor:
    """What a convolution sees at some of its output positions: (N, C x k x k)."""
    (high, wide), (down, across) = conv.kernel_size, conv.stride
    assert not isinstance(conv.padding, str)
    above, beside = conv.padding
    x = functional.pad(x, (beside, beside, above, above))
    rows, columns = (x.shape[2] - high) // down + 1, (x.shape[3] - wide) // across + 1
    picture, place = at // (rows * columns), at % (rows * columns)
    top, left = place // columns * down, place % columns * across
    return torch.stack([x[picture, :, top + dy, left + dx] for dy in range(high) for dx in range(wide)], 2).flatten(
        1
    )  # (N, C, k x k) as the weight's


def _take_statistics(norm: nn.BatchNorm2d, given: tuple[Tensor]) -> None:
    """A hook that gives a BatchNorm the statistics of what it is called with."""
    x = given[0]
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.copy_(x.mean((0, 2, 3)))
    norm.running_var.copy_(x.var((0, 2, 3)))
