"""Which of a source's channels a design takes: the most important ones, in their order; of a space that is wider all
of them, and copies of the most important ones (Chen et al. 2016, arXiv 1511.05641).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.inherit.channel_spaces import PICTURE, Heads, Layer, Table
from nas.inherit.importance import Scores, head_scores, of_repeats, of_spaces

_UNEVEN = 0.5  # how far the shares of copies lie apart: copies with equal shares would learn the same for ever


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The channels of one space in a design.

    Attributes:
        index: (width,) the source's channel that each of them is.
    """

    index: Tensor

    @property
    def is_all(self) -> bool:
        """Whether each is the channel of the same number, as far as it goes."""
        return bool((self.index == torch.arange(len(self.index))).all())

    def shares(self, rows: int) -> Tensor:
        """(rows, width) what a layer that reads the space multiplies its columns by: the shares of copies add up to 1.

        Args:
            rows: Output channels of that layer. The shares of copies differ from row to row.
        """
        count = torch.bincount(self.index)[self.index]  # (width,) copies of the same channel
        if bool((count == 1).all()):
            return torch.ones(rows, len(count), dtype=torch.float64)
        same = self.index[:, None] == self.index[None]
        number = same.tril(-1).sum(1)  # (width,) which copy it is
        turn = 2 * math.pi * (torch.arange(rows).double()[:, None] + number[None]) / count[None]
        return torch.where(count > 1, (1 + _UNEVEN * turn.cos()) / count, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class HeadSelection:
    """The rows of `qkv` in a design.

    Attributes:
        rows: The source's row that each of them is.
        gains: What the row is multiplied by, so that the products of queries and keys stay what they were.
        values: The channels of the values.
    """

    rows: Tensor
    gains: Tensor
    values: Selection


class Selections:
    """What a design takes of each of a source's spaces.

    Attributes:
        importance: Score of each channel, by space.
    """

    def __init__(self, source: Table, scores: Scores) -> None:
        """Score the spaces.

        Args:
            source: The source's table.
            scores: Of its layers and blocks.
        """
        self.importance = of_spaces(source, scores)
        self._scores = scores
        self._made: dict[tuple[str, int], Selection] = {}

    def of(self, space: str, width: int) -> Selection:
        """The channels of a space.

        Args:
            space: One of the source's.
            width: Channels in the design.
        """
        key = space, width
        if key not in self._made:
            picture = space == PICTURE.space  # red, green and blue stay what they are
            self._made[key] = Selection(torch.arange(width) if picture else best(self.importance[space], width))
        return self._made[key]

    def of_heads(self, layer: Layer, wanted: Heads) -> HeadSelection:
        """The rows of an attention: whole heads, the most important ones.

        Args:
            layer: The source's `qkv`.
            wanted: The heads in the design.
        """
        heads = layer.heads
        assert heads is not None
        of_head, of_key, of_value = head_scores(layer, self._scores[layer.role])
        span = 2 * heads.keys + heads.values
        rows, gains, values = [], [], []
        for head in best(of_head, wanted.count).tolist():
            key, value = best(of_key[head], wanted.keys), best(of_value[head], wanted.values)
            # Copies of a query and of its key would count twice; and the products are divided by the root of their
            # number, which is another one in the design.
            gain = torch.bincount(key)[key].double().rsqrt()
            first = head * span
            rows += [first + key, first + heads.keys + key, first + 2 * heads.keys + value]
            gains += [gain * math.sqrt(wanted.keys / heads.keys), gain, torch.ones(wanted.values, dtype=torch.float64)]
            values.append(head * heads.values + value)
        chosen = Selection(torch.cat(values))
        (part,) = layer.outputs
        self._made[part.space, wanted.count * wanted.values] = chosen
        return HeadSelection(torch.cat(rows), torch.cat(gains), chosen)

    def kept(self, space: str, selection: Selection) -> tuple[float, float]:
        """The importance that is kept of a space, and all of it.

        Args:
            space: One of the source's.
            selection: What is taken of it.
        """
        importance = self.importance[space]
        return float(importance[torch.unique(selection.index)].sum()), float(importance.sum())


def best(scores: Tensor, count: int) -> Tensor:
    """Indices of the highest scores, in their order; where more are asked for than there are, all, then the highest
    again.

    Args:
        scores: (N,)
        count: How many.
    """
    by_score = scores.argsort(descending=True, stable=True)
    whole, more = divmod(count, len(scores))
    rounds = [torch.arange(len(scores))] * whole
    return torch.cat([*rounds, by_score[:more].sort().values])


def best_repeats(source: Table, design: Table, scores: Mapping[str, Tensor]) -> dict[str, list[int]]:
    """For each module that repeats fewer blocks in a design than in the source: the blocks that it keeps.

    The most important ones where each adds to the map that runs through all of them; else the first ones, because each
    depends on those before it.

    Args:
        source: The source's table.
        design: The design's.
        scores: Of the source's layers.
    """
    kept = {}
    for role, repeats in design.repeats.items():
        known = source.repeats.get(role)
        if known is not None and known.count > repeats.count:
            adds = len(known.ends) == known.count and len(repeats.ends) == repeats.count
            kept[role] = best(of_repeats(source, scores, role), repeats.count).tolist() if adds else []
    return {role: numbers for role, numbers in kept.items() if numbers}
