"""What the layers of a model are predicted to take: an estimate, because only the whole is measured."""

import re
from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from nas.latency.predictor.features import TERMS
from nas.latency.predictor.graph_ops import Operation, operations
from nas.latency.predictor.predictor import Predictor

_LAYER = re.compile(r"/model\.(\d+)/")
_TOGETHER = "all weights, uncached"
"""The term that is of a whole model: its layers share it as they share the weights."""


def layer_times(onnx: bytes, predictor: Predictor, whole_ms: float) -> Mapping[int, float]:
    """The milliseconds of a model's layers, in the order of its YAML's rows, scaled so that they add up to a whole.

    Args:
        onnx: The model file; batch 1, static shapes, its nodes named after Ultralytics' layers.
        predictor: What measured models say of the costs.
        whole_ms: The latency of the model.

    Raises:
        ModelError: It is no such model.
    """
    nodes = operations(onnx)
    groups: dict[int, list[Operation]] = defaultdict(list)
    last = max((layer for node in nodes if (layer := _layer(node)) is not None), default=0)
    for node in nodes:
        layer = _layer(node)
        groups[last if layer is None else layer].append(node)
    costs = np.exp(predictor.costs.mean)
    weights = sum(node.weights for node in nodes) or 1
    whole = np.array([float(term.amount(nodes)) for term in TERMS])

    def predicted(some: list[Operation]) -> float:
        share = sum(node.weights for node in some) / weights
        work = [
            share * whole[at] if term.name == _TOGETHER else float(term.amount(some)) for at, term in enumerate(TERMS)
        ]
        return float(costs @ np.array(work))

    times = {layer: predicted(some) for layer, some in sorted(groups.items())}
    scale = whole_ms / sum(times.values())
    return {layer: ms * scale for layer, ms in times.items()}


def _layer(node: Operation) -> int | None:
    """The layer that a node belongs to; None of one that follows the last layer, or came between by optimisation."""
    found = _LAYER.match(node.name)
    return int(found[1]) if found else None
