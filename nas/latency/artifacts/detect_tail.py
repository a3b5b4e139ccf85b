"""Which part of a detector's graph may be computed in fewer bits: everything up to its last real convolutions.

What follows decodes: the softmax and weighted sum over `reg_max` bins (DFL), box arithmetic, and one tensor that holds
boxes in pixels beside scores in [0, 1]. In INT8 that tensor would have one scale, in which every score is zero; in
float16, pixels from 512 on are rounded to halves. It is a percent of the time, so it stays in float32.
"""

from typing import Any

import numpy as np

from nas.errors import ModelError

_CONVOLUTIONS = ("Conv", "ConvTranspose")


def tail(model: Any) -> list[str]:
    """The names of the nodes that no real convolution depends on, apart from the convolutions themselves.

    Args:
        model: An ONNX model whose nodes are named (`named`).

    Raises:
        ModelError: It has no convolution.
    """
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    waiting = [node for node in graph.node if node.op_type in _CONVOLUTIONS and not _is_dfl(node, graph)]
    if not waiting:
        raise ModelError("the model has no convolution, so no other precision than float32 makes sense for it")
    body: set[str] = set()
    while waiting:
        node = waiting.pop()
        if node.name not in body:
            body.add(node.name)
            waiting += [makers[name] for name in node.input if name in makers]
    return [node.name for node in graph.node if node.name not in body]


def named(model: Any) -> None:
    """Give every node of an ONNX model a name of its own, in place; names that are there and differ stay."""
    known: set[str] = set()
    for index, node in enumerate(model.graph.node):
        if not node.name or node.name in known:
            node.name = f"{node.op_type}.{index}"
        known.add(node.name)


def _is_dfl(node: Any, graph: Any) -> bool:
    """Whether a convolution is the DFL's weighted sum: one output channel, weights 0, 1, 2, ..."""
    from onnx import numpy_helper

    weights = next((one for one in graph.initializer if one.name == node.input[1]), None)
    if weights is None or len(weights.dims) != 4 or weights.dims[0] != 1 or list(weights.dims[2:]) != [1, 1]:
        return False
    values = numpy_helper.to_array(weights).ravel()
    return bool(np.array_equal(values, np.arange(len(values))))
