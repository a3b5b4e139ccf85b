"""The work that a model's graph does, as one vector: what a latency is made of, before anybody knows the costs.

Each term counts one kind of work over all nodes: multiply-adds by kind of convolution, elements that pass through
memory by kind of node, weights loaded, nodes started. ReLU is missing because runtimes fold it into the convolution.

The costs in the table are where a fit starts from. They were fitted once to 240 random models of the default space in
ONNX Runtime on one core of a 2023 server processor (`benchmarks/latency/predictor.py costs`) and rounded to one digit;
a fit multiplies them by whatever the device turns out to be, and moves each by a factor of two with ease.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from nas.latency.predictor.graph_ops import VECTOR, Operation, operations

Count = Callable[[Operation], float]
Amount = Callable[[Sequence[Operation]], float]


@dataclass(frozen=True, slots=True)
class Term:
    """One kind of work.

    Attributes:
        name: What is counted.
        cost_ns: Nanoseconds a unit where a fit starts.
        amount: Units of a graph, given its nodes.
    """

    name: str
    cost_ns: float
    amount: Amount


def _each(name: str, cost_ns: float, count: Count) -> Term:
    return Term(name, cost_ns, lambda nodes: sum(map(count, nodes)))


def _macs(*kinds: str) -> Count:
    return lambda node: node.macs if node.kind in kinds else 0


def _moved(*kinds: str) -> Count:
    return lambda node: node.read + node.written if node.kind in kinds else 0


def _started(*kinds: str) -> Count:
    return lambda node: 1 if node.kind in kinds else 0


_CONVOLUTIONS = ("conv", "pointwise", "depthwise")
_PICTURE = 3
_ABREAST = 6
"""Output positions of a row that kernels work on at once; a narrower map leaves some of the work idle."""

_CACHED = 2**16
"""Weights of one layer that come from near (256 KB)."""

_CACHED_IN_ALL = 1_500_000
"""Weights of a model that stay in the cache from one run to the next (6 MB)."""


def _ragged_inputs(node: Operation) -> bool:
    # Kernels have a way of their own for the three channels of a picture.
    return node.inputs % VECTOR != 0 and node.inputs != _PICTURE


def _padding(node: Operation) -> float:
    """Multiply-adds with input channels that only fill up a vector."""
    if node.kind != "pointwise":
        return 0
    return node.macs * (-(-node.inputs // VECTOR) * VECTOR / node.inputs - 1)


TERMS: tuple[Term, ...] = (
    _each("conv macs", 0.02, _macs("conv")),
    _each("conv macs, ragged inputs", 0.003, lambda node: _macs("conv")(node) if _ragged_inputs(node) else 0),
    _each("conv macs, narrow map", 0.003, lambda node: _macs("conv")(node) if node.columns < _ABREAST else 0),
    _each("pointwise macs", 0.02, _macs("pointwise")),
    _each("pointwise padding", 0.05, _padding),
    _each("depthwise macs", 0.03, _macs("depthwise")),
    _each("depthwise macs, ragged", 0.03, lambda node: 0 if node.whole else _macs("depthwise")(node)),
    _each("convolution elements", 0.01, _moved(*_CONVOLUTIONS)),
    _each("convolution weights", 0.02, lambda node: node.weights if node.kind in _CONVOLUTIONS else 0),
    _each("convolution weights, uncached", 0.05, lambda node: max(0, node.weights - _CACHED)),
    Term("all weights, uncached", 0.05, lambda nodes: max(0, sum(node.weights for node in nodes) - _CACHED_IN_ALL)),
    _each("sigmoid elements", 0.2, _moved("sigmoid")),
    _each("hardsigmoid elements", 0.04, _moved("hardsigmoid")),
    _each("elementwise elements", 0.02, _moved("elementwise", "hardswish")),
    _each("concat elements", 0.02, _moved("concat")),
    _each("split elements", 0.07, _moved("split")),
    _each("resize elements", 0.3, _moved("resize")),
    _each("mean elements", 0.4, _moved("mean")),
    _each("pool steps", 0.02, _macs("pool")),
    _each("softmax elements", 4.0, _moved("softmax")),
    _each("matmul macs", 0.02, _macs("matmul")),
    _each("transpose elements", 0.2, _moved("transpose")),
    _each("convolutions", 1000.0, _started(*_CONVOLUTIONS)),
    _each("convolutions, ragged", 600.0, lambda node: 1 if node.kind in _CONVOLUTIONS and not node.whole else 0),
    _each("other nodes", 100.0, lambda node: 0 if node.kind in (*_CONVOLUTIONS, "relu") else 1),
)

NAMES = tuple(term.name for term in TERMS)


@dataclass(frozen=True, slots=True)
class Features:
    """The work of one graph.

    Attributes:
        amounts: Units of each of `TERMS`, in their order.
    """

    amounts: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check that every term has an amount.

        Raises:
            ValueError: It has not, or an amount is negative or not finite.
        """
        if len(self.amounts) != len(TERMS) or not all(0 <= amount < float("inf") for amount in self.amounts):
            raise ValueError(f"features need {len(TERMS)} amounts that are finite and not negative")

    def to_dict(self) -> dict[str, float]:
        """Amounts by name, for JSON."""
        return dict(zip(NAMES, self.amounts, strict=True))

    @classmethod
    def from_dict(cls, data: Mapping[str, float]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            ValueError: The names are not those of this version.
        """
        if set(data) != set(NAMES):
            raise ValueError("features of another version")
        return cls(tuple(float(data[name]) for name in NAMES))


def graph_features(onnx: bytes) -> Features:
    """The work that an exported model does.

    Args:
        onnx: The model file; batch 1, static shapes.

    Raises:
        ModelError: It is no ONNX model, or a size is not fixed.
    """
    nodes = operations(onnx)
    return Features(tuple(float(term.amount(nodes)) for term in TERMS))
