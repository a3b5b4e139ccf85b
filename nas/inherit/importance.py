"""How much each channel of a source matters: by its weights alone, and summed over everything that is tied to it."""

from collections.abc import Mapping

import torch
from torch import Tensor

from nas.inherit.channel_spaces import Layer, Table, offsets

Scores = Mapping[str, Tensor]
"""By role of a layer, or of a block that writes one map: a score at least 0 for each output channel."""


@torch.no_grad()
def norms(source: Table) -> dict[str, Tensor]:
    """Scores without data: the norm of a channel's weights times the scale of its BatchNorm.

    A block is scored by the layers that read it: the norm of a channel's columns.

    Args:
        source: The source's table.
    """
    found = {layer.role: _norm(layer) for layer in source.layers}
    for block in source.blocks:
        for part in block.outputs:
            total = torch.zeros(part.width)
            for layer in source.layers:
                for begin, read in offsets(layer.inputs):
                    if read.name == part.name:
                        total += layer.conv.weight.transpose(0, 1)[begin : begin + part.width].flatten(1).norm(dim=1)
            found[f"{block.role}:{part.name}"] = total
    return found


def _norm(layer: Layer) -> Tensor:
    norm: Tensor = layer.conv.weight.detach().flatten(1).norm(dim=1)
    return norm if layer.norm is None else norm * layer.norm.weight.detach().abs()


def of_spaces(source: Table, scores: Scores) -> dict[str, Tensor]:
    """Scores of every channel space: the sum over all layers that write it.

    Args:
        source: The source's table.
        scores: Of its layers and blocks.
    """
    total = {space: torch.zeros(width) for space, width in source.spaces.items()}
    for layer in source.layers:
        score = scores[layer.role]
        if layer.heads is not None:
            _, _, score = head_scores(layer, score)
            score = score.flatten()
        for begin, part in offsets(layer.outputs):
            total[part.space] += score[begin : begin + part.width]
    for block in source.blocks:
        for part in block.outputs:
            total[part.space] += scores[f"{block.role}:{part.name}"]
    return total


def head_scores(layer: Layer, score: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scores of an attention's heads (H,), of their query and key channels (H, K) and of their values (H, V).

    Args:
        layer: The layer `qkv`.
        score: Of its rows.
    """
    heads = layer.heads
    assert heads is not None
    query, key, value = torch.split(score.view(heads.count, -1), [heads.keys, heads.keys, heads.values], 1)
    return score.view(heads.count, -1).sum(1), query + key, value


def of_repeats(source: Table, scores: Scores, role: str) -> Tensor:
    """Scores of the blocks that a module repeats: what they add to the map that runs through them.

    Args:
        source: The source's table.
        scores: Of its layers.
        role: Of the module that repeats.
    """
    return torch.stack([sum(scores[end].sum() for end in ends) for ends in source.repeats[role].ends])  # type: ignore[misc]
