"""Stratified samples of pictures: each class keeps its share, rare classes first.

A picture has several classes, so pictures are taken class by class, from the rarest to the most frequent (after
Sechidis et al. 2011, "On the stratification of multi-label data"); pictures without objects count as one class more.
"""

from collections.abc import Sequence

import numpy as np

from nas.data.values import Labels

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
    order = np.random.default_rng(seed).permutation(total)
    holders: dict[int, list[int]] = {}
    for index in order:
        kinds = {int(kind) for kind in labels[index][:, 0]} or {-1}
        for kind in kinds:
            holders.setdefault(kind, []).append(int(index))
    only = {indices[0] for indices in holders.values() if len(indices) == 1}
    taken: set[int] = set()
    for _, indices in sorted(holders.items(), key=lambda item: (len(item[1]), item[0])):
        # At least one picture of every class that has two, and never all of them.
        goal = min(max(round(share * len(indices)), 1), len(indices) - 1)
        have = sum(index in taken for index in indices)
        for index in indices:
            if have >= goal or len(taken) >= want:
                break
            if index not in taken and index not in only:
                taken.add(index)
                have += 1
    for index in order:  # rounding may have left the sample short
        if len(taken) >= want:
            break
        if int(index) not in only:
            taken.add(int(index))
    return sorted(taken)
