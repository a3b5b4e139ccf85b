"""The boxes that an untrained head predicts: of one size, whatever its `reg_max`.

Ultralytics' heads begin with all distances equally probable, so with sides `(reg_max - 1) / 2` cells from the centre:
7.5 with 16 distances, which on a proxy's small maps is more than the picture, 1.5 with 4. Whose boxes begin far off
is later to learn, and so a short training ranks designs by where their heads began (docs/development/proxy-figures.md).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import softmax

_STEEPEST = 100.0


@torch.no_grad()
def begin_with_boxes(model: Any, distance: float) -> None:
    """Let a freshly initialised detector predict boxes whose sides are so far from the centre, on every map.

    Args:
        model: A detection model whose last module is one of Ultralytics' `Detect`; the biases of the last layers of its
            box branches are changed.
        distance: In cells, above zero; a head whose distances end below twice as much begins in their middle.
    """
    head = model.model[-1]
    for layer in _last_layers(head):
        bias = falling(head.reg_max, distance) if head.reg_max > 1 else np.array([distance])
        layer.bias.copy_(torch.from_numpy(np.tile(bias, 4)))


def falling(count: int, mean: float) -> NDArray[np.float64]:
    """Logits of probabilities of 0, 1, ..., `count - 1` that fall by a constant factor, with that mean.

    Args:
        count: Distances.
        mean: Their expectation, above zero; where it lies beyond the middle, all are equally probable.
    """
    places = np.arange(count)
    if mean >= places.mean():
        return np.zeros(count)
    slope = brentq(lambda slope: softmax(-slope * places) @ places - mean, 0.0, _STEEPEST)
    return np.asarray(-slope * places)


def _last_layers(head: Any) -> Iterator[Any]:
    """The last layers of all box branches, those without NMS included."""
    for branches in (head.cv2, getattr(head, "one2one_cv2", ())):
        for branch in branches:
            yield branch[-1]
