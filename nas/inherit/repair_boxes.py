"""The last layers of the box branches, fitted so that they predict the source's distances from the channels left.

Ridge regression as in `repair`. Where the design has fewer bins, the target is the logarithm of the source's folded
probabilities: the logits that `head_rows.other_bins` makes are those to first order only.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from nas.inherit.transfer import Boxes

_STRENGTH = 0.3  # of the ridge, as a share of the mean square of the inputs
_EVERYWHERE = 0.01  # weight of a position at which the source sees nothing
_LEAST = 1e-3  # added to a probability before its logarithm


@torch.no_grad()
def refit_boxes(pairs: Sequence[Boxes], source: Any, design: Any, images: Tensor) -> None:
    """Fit the last layers of a design's box branches to the source's predictions; all else stays as it is.

    A position counts by the source's highest class score there, because boxes mean nothing where there is no object.
    Left alone are layers with more bins than the source's.

    Args:
        pairs: The layers (`Transfer.boxes`).
        source: The source's model.
        design: The design's model, with BatchNorm statistics; it is left in evaluation mode.
        images: (B, 3, S, S) pictures.
    """
    seen = dict[nn.Module, Tensor]()

    def reads(conv: nn.Module, given: tuple[Tensor]) -> None:
        seen[conv] = _positions(given[0])

    def writes(conv: nn.Module, _: Any, out: Tensor) -> None:
        seen[conv] = _positions(out)

    with ExitStack() as hooks:
        for one in pairs:
            hooks.callback(one.layer.conv.register_forward_pre_hook(reads).remove)
            for known in (one.source, one.classes):
                hooks.callback(known.conv.register_forward_hook(writes).remove)
        source.eval()(images)
        design.eval()(images)
    for one in pairs:
        ours, theirs = len(one.layer.conv.bias) // 4, len(one.source.conv.bias) // 4
        if ours <= theirs and one.source.conv in seen:  # a source without NMS runs one kind of branches only
            weight = seen[one.classes.conv].sigmoid().amax(1) + _EVERYWHERE
            _fit(one.layer.conv, seen[one.layer.conv], targets(seen[one.source.conv], theirs, ours), weight)


def _positions(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).flatten(0, 2)  # (B, C, H, W) to (N, C)


def targets(logits: Tensor, have: int, bins: int) -> Tensor:
    """What a box layer with other bins is to write.

    Args:
        logits: (N, 4 x have) of the source.
        have: Its bins a side.
        bins: The design's, at most as many.

    Returns:
        (N, 4 x bins): the logits themselves, of fewer bins the logarithms of the folded probabilities, mean 0 a side,
        and of one bin the distances.
    """
    if have == bins:
        return logits
    probable = logits.view(len(logits), 4, have).softmax(2)
    if bins == 1:
        return probable @ torch.arange(have, dtype=logits.dtype)
    kept, tail = probable[..., : bins - 1], probable[..., bins - 1 :].sum(2, keepdim=True)
    logs = (torch.cat([kept, tail], 2) + _LEAST).log()
    return (logs - logs.mean(2, keepdim=True)).flatten(1)


def _fit(conv: Any, x: Tensor, wanted: Tensor, weight: Tensor) -> None:
    """Weighted ridge regression with a constant, drawn to the weights that were inherited."""
    x, y, share = x.double(), wanted.double(), (weight / weight.sum()).double()[:, None]
    x_mean, y_mean = (x * share).sum(0), (y * share).sum(0)
    x, y, known = x - x_mean, y - y_mean, conv.weight.flatten(1).double().T
    square = (x * share).T @ x
    ridge = _STRENGTH * square.diagonal().mean() * torch.eye(len(square), dtype=torch.float64)
    found = torch.linalg.solve(square + ridge, (x * share).T @ y + ridge @ known)  # (C, 4 x bins)
    conv.weight.copy_(found.T.reshape(conv.weight.shape))
    conv.bias.copy_(y_mean - x_mean @ found)
