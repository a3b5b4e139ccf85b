"""The two frozen reference networks that every measurement is paired with.

A shared machine changes its speed by the second, in two ways that move models differently: the clock of the core, and
how much of the shared cache and memory the neighbours leave. One reference cannot stand for both, however similar its
cost. So there are two, chains of the convolutions that a small detector spends its time in (3x3, 1x1 and depthwise,
SiLU): COMPUTE fits into a core's own cache and follows the clock; MEMORY streams more weights a millisecond than any
detector does and follows the memory. A candidate lies between them (`estimate.py`).

"Frozen" means that a reference is made from the numbers in this file alone: its ONNX bytes are the same everywhere and
always, and its digest is part of the calibration that belongs to it. Changing anything here makes new references.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

_SEED = 20221112
_CHANNELS = (16, 32, 64, 128, 256)
_OPSET = 17
_IR_VERSION = 8


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference network.

    Attributes:
        width: Multiplies the channels 16, 32, 64, 128, 256 of the five stages.
        imgsz: Square input size in pixels.
    """

    width: float
    imgsz: int

    @property
    def name(self) -> str:
        """Such as `reference-0.5-128`."""
        return f"reference-{self.width:g}-{self.imgsz}"


@dataclass(frozen=True, slots=True)
class Layer:
    """One convolution; the padding keeps the size, apart from the stride."""

    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    groups: int = 1

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.outputs, self.inputs // self.groups, self.kernel, self.kernel


COMPUTE = Reference(0.5, 128)
"""0.8 MB of weights, 10 million multiply-adds: a third of a millisecond on a 2023 server core."""

MEMORY = Reference(2.0, 96)
"""12 MB of weights for 87 million multiply-adds: two milliseconds on the same core, most of it waiting for weights."""


def _layers(width: float) -> Iterator[Layer]:
    channels = [max(8, round(width * count)) for count in _CHANNELS]
    before = 3
    for stage, count in enumerate(channels):
        yield Layer(before, count, 3, stride=2)
        if stage:
            yield Layer(count, count // 2, 1)
            yield Layer(count // 2, count // 2, 3)
            yield Layer(count // 2, count, 1)
            yield Layer(count, count, 3, groups=count)
            yield Layer(count, count, 1)
        before = count


def weighted_layers(width: float) -> Iterator[tuple[Layer, NDArray[np.float32], NDArray[np.float32]]]:
    """Each convolution with its weights and its biases, in order; every one is followed by SiLU."""
    rng = np.random.default_rng(_SEED)
    for layer in _layers(width):
        fan_in = layer.inputs // layer.groups * layer.kernel**2
        scale = np.float32((2.0 / fan_in) ** 0.5)  # He et al. 2015: the signal keeps its size from layer to layer
        yield (
            layer,
            rng.standard_normal(layer.shape, dtype=np.float32) * scale,
            rng.standard_normal(layer.outputs, dtype=np.float32) * np.float32(0.1),
        )


@cache
def reference_onnx(reference: Reference) -> bytes:
    """A reference as an ONNX graph: input `images` (1, 3, imgsz, imgsz), output the last feature map."""
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    weights: list[Any] = []
    last = "images"
    for index, (layer, weight, bias) in enumerate(weighted_layers(reference.width)):
        names = [f"{index}.weight", f"{index}.bias"]
        weights += [numpy_helper.from_array(array, name) for array, name in zip((weight, bias), names, strict=True)]
        pads = [layer.kernel // 2] * 4
        nodes += [
            helper.make_node(
                "Conv",
                [last, *names],
                [f"{index}.conv"],
                kernel_shape=[layer.kernel] * 2,
                strides=[layer.stride] * 2,
                pads=pads,
                group=layer.groups,
            ),
            helper.make_node("Sigmoid", [f"{index}.conv"], [f"{index}.gate"]),
            helper.make_node("Mul", [f"{index}.conv", f"{index}.gate"], [f"{index}.out"]),
        ]
        last = f"{index}.out"
    size = -(-reference.imgsz // 32)
    ends = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, reference.imgsz, reference.imgsz]),
        helper.make_tensor_value_info(last, TensorProto.FLOAT, [1, layer.outputs, size, size]),
    ]
    graph = helper.make_graph(nodes, reference.name, ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    return bytes(model.SerializeToString(deterministic=True))


def reference_module(reference: Reference) -> "nn.Module":
    """The same network as a torch module in evaluation mode, for the torch runtime."""
    import torch
    from torch import nn

    parts: list[nn.Module] = []
    for layer, weight, bias in weighted_layers(reference.width):
        conv = nn.Conv2d(
            layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.kernel // 2, groups=layer.groups
        )
        conv.weight.data, conv.bias.data = torch.from_numpy(weight), torch.from_numpy(bias)  # type: ignore[union-attr]
        parts += [conv, nn.SiLU()]
    return nn.Sequential(*parts).eval().requires_grad_(False)
