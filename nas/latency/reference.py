"""The frozen reference networks that every measurement is paired with.

A shared machine changes its speed by the second; the ratio of two networks that run in turn changes far less, as long
as they lean on the same parts of the machine. So the reference is a chain of the convolutions that a small detector
spends its time in (3x3, 1x1 and depthwise, SiLU), in a ladder of input sizes: each candidate is paired with the rung of
about its own cost.

"Frozen" means that a rung is made from the numbers in this file alone: its ONNX bytes are the same everywhere and
always, and its digest is part of the calibration that belongs to it. Changing anything here makes new references.
"""

import hashlib
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
class Rung:
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

    @property
    def macs(self) -> int:
        """Multiply-adds of one run."""
        size, total = self.imgsz, 0
        for layer in _layers(self.width):
            size = -(-size // layer.stride)
            total += layer.outputs * layer.inputs // layer.groups * layer.kernel**2 * size**2
        return total


@dataclass(frozen=True, slots=True)
class _Layer:
    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    groups: int = 1

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.outputs, self.inputs // self.groups, self.kernel, self.kernel


LADDER = tuple(Rung(0.5, size) for size in (32, 64, 96, 128, 160)) + tuple(
    Rung(1.0, size) for size in (128, 160, 192, 256, 320, 448, 640)
)
"""From a tenth of a GFLOP down to what a microcontroller runs, each rung about 1.5 to 2 times the one before."""

BASE = Rung(0.5, 128)
"""The rung whose own time is measured on a quiet device; the others are measured against it."""


def _layers(width: float) -> Iterator[_Layer]:
    channels = [max(8, round(width * count)) for count in _CHANNELS]
    before = 3
    for stage, count in enumerate(channels):
        yield _Layer(before, count, 3, stride=2)
        if stage:
            yield _Layer(count, count // 2, 1)
            yield _Layer(count // 2, count // 2, 3)
            yield _Layer(count // 2, count, 1)
            yield _Layer(count, count, 3, groups=count)
            yield _Layer(count, count, 1)
        before = count


def _weights(width: float) -> Iterator[tuple[_Layer, NDArray[np.float32], NDArray[np.float32]]]:
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
def reference_onnx(rung: Rung) -> bytes:
    """A rung as an ONNX graph: input `images` (1, 3, imgsz, imgsz), output the last feature map."""
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    weights: list[Any] = []
    last = "images"
    for index, (layer, weight, bias) in enumerate(_weights(rung.width)):
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
    size = -(-rung.imgsz // 32)
    ends = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, rung.imgsz, rung.imgsz]),
        helper.make_tensor_value_info(last, TensorProto.FLOAT, [1, layer.outputs, size, size]),
    ]
    graph = helper.make_graph(nodes, rung.name, ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    return bytes(model.SerializeToString(deterministic=True))


def reference_module(rung: Rung) -> "nn.Module":
    """The same network as a torch module in evaluation mode, for the torch runtime."""
    import torch
    from torch import nn

    parts: list[nn.Module] = []
    for layer, weight, bias in _weights(rung.width):
        conv = nn.Conv2d(
            layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.kernel // 2, groups=layer.groups
        )
        conv.weight.data, conv.bias.data = torch.from_numpy(weight), torch.from_numpy(bias)  # type: ignore[union-attr]
        parts += [conv, nn.SiLU()]
    return nn.Sequential(*parts).eval().requires_grad_(False)


@cache
def digest(rung: Rung) -> str:
    """SHA-256 of the rung's ONNX graph."""
    return hashlib.sha256(reference_onnx(rung)).hexdigest()


def nearest(rungs: tuple[Rung, ...], cost: float, cost_of: dict[Rung, float]) -> Rung:
    """The rung whose cost is the nearest in ratio."""
    return min(rungs, key=lambda rung: abs(np.log(cost_of[rung] / cost)))
