"""Stratified samples of pictures: each class keeps its share, rare classes first.

A picture has several classes, so pictures are taken class by class, from the rarest to the most frequent
(after Sechidis et al. 2011, "On the stratification of multi-label data"); pictures without objects count as
one class more.
"""

from collections.abc import Sequence

import numpy as np

from nas.data.dataset import Labels

_SELECT_SHARE = 0.2
_SELECT_MIN = 40
_SELECT_MAX = 400


def select_size(pictures: int) -> int:
    """How many training pictures are set aside for the comparison of candidates.

    A fifth, at least 40 and at most 400 (more costs time and adds little), but never more than a half.

    Args:
        pictures: Pictures of the YAML's train.
    """
    wanted = min(max(round(pictures * _SELECT_SHARE), _SELECT_MIN), _SELECT_MAX)
    return min(wanted, pictures // 2)


def stratified(labels: Sequence[Labels], want: int, seed: int) -> list[int]:
    """Indices of `want` pictures in which every class has about its share, ascending.

    A class that only one picture shows is never taken, so that the other part keeps it.

    Args:
        labels: One array of labels a picture.
        want: How many pictures.
        seed: Of the choice.
    """
    total = len(labels)
    if want >= total:
        return list(range(total))
    share = want / total
    order = [int(index) for index in np.random.default_rng(seed).permutation(total)]
    holders = _holders(labels, order)
    only = {indices[0] for indices in holders.values() if len(indices) == 1}
    taken: set[int] = set()
    for indices in sorted(holders.values(), key=len):
        # At least one picture of every class that has two, and never all of them.
        goal = min(max(round(share * len(indices)), 1), len(indices) - 1)
        lacking = max(0, min(goal - len(taken.intersection(indices)), want - len(taken)))
        taken.update([index for index in indices if index not in taken and index not in only][:lacking])
    # Rounding may have left the sample short.
    spare = [index for index in order if index not in taken and index not in only]
    return sorted([*taken, *spare[: want - len(taken)]])


def _holders(labels: Sequence[Labels], order: list[int]) -> dict[int, list[int]]:
    """The pictures that show each class, in the given order; -1 stands for pictures without objects."""
    holders: dict[int, list[int]] = {}
    for index in order:
        for kind in sorted({int(kind) for kind in labels[index][:, 0]} or {-1}):
            holders.setdefault(kind, []).append(index)
    return holders
