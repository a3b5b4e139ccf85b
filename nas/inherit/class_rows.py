"""The last layers of the head's branches: classes by name, and other numbers of distance bins."""

from collections.abc import Sequence

import torch
from torch import Tensor

_IMPROBABLE = -8.0
"""Logit of a bin that the source does not have, against the source's last bin."""


def class_rows(names: Sequence[str], source: Sequence[str]) -> tuple[int | None, ...]:
    """For each class the source's class of the same name; capitals and blanks at the ends do not count.

    Args:
        names: Of the design's classes.
        source: Of the source's.
    """
    number = {name.strip().casefold(): index for index, name in reversed(list(enumerate(source)))}
    return tuple(number.get(name.strip().casefold()) for name in names)


def other_bins(weight: Tensor, bias: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """A box layer with another number of bins a side, to first order around its biases.

    With fewer bins the last one takes the probability of all beyond it: its logit is the logarithm of the sum of their
    exponentials. With one bin the layer predicts the distance, which is the mean over the bins. With more bins the new
    ones begin improbable.

    Args:
        weight: (4 x R, C, 1, 1), R above 1 unless `bins` is 1.
        bias: (4 x R,)
        bins: R of the design.

    Returns:
        Weight (4 x bins, C, 1, 1) and bias (4 x bins,).
    """
    have = len(bias) // 4
    sides, offsets = weight.view(4, have, -1), bias.view(4, have)
    if bins == have:
        return weight, bias
    if bins == 1:
        probable = offsets.softmax(1)  # (4, R)
        places = torch.arange(have, dtype=bias.dtype)
        mean = probable @ places  # (4,)
        slopes = probable * (places - mean[:, None])
        made, shift = torch.einsum("sr,src->sc", slopes, sides), mean
    elif bins < have:
        tail = slice(bins - 1, None)
        probable = offsets[:, tail].softmax(1)
        last = torch.einsum("sr,src->sc", probable, sides[:, tail])
        made = torch.cat([sides[:, : bins - 1], last[:, None]], 1)
        shift = torch.cat([offsets[:, : bins - 1], offsets[:, tail].logsumexp(1, keepdim=True)], 1)
    else:
        new = bins - have
        made = torch.cat([sides, sides[:, -1:].expand(-1, new, -1)], 1)
        shift = torch.cat([offsets, offsets[:, -1:].expand(-1, new) + _IMPROBABLE], 1)
    return made.reshape(4 * bins, -1, 1, 1), shift.reshape(-1)
