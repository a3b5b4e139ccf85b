"""What every node of an ONNX graph does: its kind, its multiply-adds, what it reads, writes and loads.

The graph is the exported model itself, with static shapes, so nothing is guessed from the design: what an exporter adds
or leaves out is counted. Only the header of the graph is needed; weights are not looked at.
"""

import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.errors import ModelError
from nas.latency.runtimes.plain_words import reasons

VECTOR = 16
"""Channels that convolution kernels work on at once: float32 lanes of the widest vector units. A convolution with 20
channels takes as long as one with 32, and a depthwise one whose channels do not fill vectors takes a slower way."""

# Nodes that move no data at run time: runtimes fold them or only change a shape.
_FREE = frozenset({"Constant", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Shape", "Cast", "Dropout"})
_KINDS = {
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hardsigmoid",
    "HardSwish": "hardswish",
    "Relu": "relu",
    "Concat": "concat",
    "Split": "split",
    "Slice": "split",
    "Resize": "resize",
    "Upsample": "resize",
    "MaxPool": "pool",
    "AveragePool": "pool",
    "GlobalAveragePool": "mean",
    "ReduceMean": "mean",
    "Softmax": "softmax",
    "MatMul": "matmul",
    "Gemm": "matmul",
    "Transpose": "transpose",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One node.

    Attributes:
        kind: `conv`, `pointwise`, `depthwise`, or one of the kinds of cheaper work, such as `concat`.
        macs: Multiply-adds, with channels rounded up to whole vectors; those of a pool are its comparisons or sums.
        read: Elements of activations read.
        written: Elements written.
        weights: Elements of weights loaded.
        whole: Whether the channels fill whole vectors.
        inputs: Input channels of a convolution; 0 for others, like what follows.
        outputs: Its output channels.
        window: Height times width of its kernel.
        rows: Height of its output.
        columns: Width of its output.
        name: The node's name, which begins with the layer: `/model.4/cv1/conv/Conv`.
    """

    kind: str
    macs: int
    read: int
    written: int
    weights: int
    whole: bool = True
    inputs: int = 0
    outputs: int = 0
    window: int = 0
    rows: int = 0
    columns: int = 0
    name: str = ""


def operations(onnx: bytes) -> tuple[Operation, ...]:
    """Every node of a graph that does work, in the graph's order.

    Args:
        onnx: The model file; batch 1, static shapes.

    Raises:
        ModelError: It is no ONNX model, or a size is not fixed.
    """
    try:
        graph = _folded(onnx)
    except Exception as error:  # whatever either library raises on a file that is no model
        raise ModelError(f"the latency predictor cannot read the ONNX graph: {reasons(error)}") from error
    return tuple(_operations(graph))


def _folded(onnx: bytes) -> Any:
    """The graph without what is known beforehand: constants folded, identities gone, every size inferred.

    ONNX Runtime's basic level does what every runtime does first, on any hardware alike, and stays in ONNX's own
    operators.
    """
    import onnx as library
    import onnxruntime

    with tempfile.TemporaryDirectory(prefix="ghostnas-") as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        model = library.load(options.optimized_model_filepath)
    return library.shape_inference.infer_shapes(model, data_prop=True).graph


def _operations(graph: Any) -> Iterator[Operation]:
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    weights |= {node.output[0]: () for node in graph.node if node.op_type == "Constant"}
    shapes = _shapes(graph)
    for node in graph.node:
        if node.op_type in _FREE or all(name in weights for name in node.input):
            continue
        inputs = [_shape(shapes, name, node) for name in node.input if name and name not in weights]
        output = _shape(shapes, node.output[0], node)
        kernel = [weights[name] for name in node.input if weights.get(name)]
        read = sum(math.prod(shape) for shape in inputs)
        written = sum(math.prod(_shape(shapes, name, node)) for name in node.output if name)
        if node.op_type == "Conv":
            if not kernel or len(kernel[0]) != 4:
                raise ModelError(
                    f"the latency predictor needs float32 weights of 2-D convolutions in the file, and {node.name!r} "
                    "has none; give it the float32 model"
                )
            yield _convolution(node, inputs[0], output, kernel[0], read, written)
            continue
        kind, macs = _KINDS.get(node.op_type, "elementwise"), 0
        if kind == "matmul":
            macs = written * inputs[0][-1]
        elif kind == "pool":
            macs = written * math.prod(_ints(node, "kernel_shape"))
        yield Operation(kind, macs, read, written, sum(map(math.prod, kernel)), name=node.name)


def _convolution(
    node: Any, source: tuple[int, ...], output: tuple[int, ...], kernel: tuple[int, ...], read: int, written: int
) -> Operation:
    outputs, inputs, *sides = kernel
    window = math.prod(sides)
    groups = next((a.i for a in node.attribute if a.name == "group"), 1)
    rows, columns = output[2:]
    depthwise = groups > 1 and inputs == 1
    return Operation(
        kind="depthwise" if depthwise else "pointwise" if window == 1 else "conv",
        macs=_up(outputs) * inputs * window * rows * columns,
        read=read,
        written=written,
        weights=math.prod(kernel),
        whole=outputs % VECTOR == 0 and source[1] % VECTOR == 0,
        inputs=source[1],
        outputs=outputs,
        window=window,
        rows=rows,
        columns=columns,
        name=node.name,
    )


def _up(channels: int) -> int:
    return -(-channels // VECTOR) * VECTOR


def _ints(node: Any, name: str) -> list[int]:
    return next((list(a.ints) for a in node.attribute if a.name == name), [])


def _shapes(graph: Any) -> dict[str, tuple[int, ...]]:
    found = {}
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.HasField("shape"):
            found[value.name] = tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
    return found


def _shape(shapes: Mapping[str, tuple[int, ...]], name: str, node: Any) -> tuple[int, ...]:
    shape = shapes.get(name)
    if shape is None or not all(shape):
        raise ModelError(
            f"the latency predictor needs fixed sizes, but {name!r} of {node.op_type} {node.name!r} has shape {shape}; "
            "export the model at batch 1 with a fixed input size"
        )
    return shape
