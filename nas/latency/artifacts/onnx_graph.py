"""What the graph of a user's ONNX file takes, gives and computes in: whether it can be measured as a detector is."""

from collections.abc import Sequence
from typing import Any

from nas.errors import ModelError
from nas.latency.artifacts.onnx_file import inner
from nas.util.image_size import LARGEST

_WANTED = "what is measured takes one picture, (1, 3, height, width) float32"
_COLOURS = 3
_CHANNELS = (1, 3, 4)
_WEIGHTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")
_INTEGERS = ("QuantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger")
"""Operators that quantise activations or compute on them; `DequantizeLinear` alone only unpacks weights."""

_NAMES = {"FLOAT": "float32", "DOUBLE": "float64"}

_OTHERS = {
    "sequence_type": "a sequence",
    "optional_type": "an optional value",
    "map_type": "a map",
    "sparse_tensor_type": "a sparse tensor",
}

Shape = tuple[int | str, ...]


def parsed(onnx: bytes) -> Any:
    """The model of an ONNX file that was read before."""
    from onnx import ModelProto

    model = ModelProto()
    model.ParseFromString(onnx)
    return model


def taken(graph: Any) -> list[Any]:
    """A graph's inputs, without the weights that older exporters list among them."""
    weights = {one.name for one in graph.initializer} | {one.values.name for one in graph.sparse_initializer}
    return [one for one in graph.input if one.name not in weights]


def picture_size(model: Any, name: str) -> int | None:
    """The side in pixels of the square picture that a model takes; None where its file leaves it free.

    Args:
        model: The ONNX model.
        name: What messages call it.

    Raises:
        ModelError: It takes or gives something else; the message names what, and what to do.
    """
    from onnx import NodeProto

    graph = model.graph
    inputs = taken(graph)
    if len(inputs) != 1:
        some = " and ".join(_described(one) for one in inputs[:4]) + (" and more" if len(inputs) > 4 else "")
        says = f"{len(inputs)} inputs: {some}" if inputs else "no input"
        raise ModelError(f"{name} takes {says}; {_WANTED}: export it with that input alone")
    (picture,) = inputs
    size = _side(picture, name)
    if not graph.output:
        raise ModelError(f"{name} has no output, so its latency would mean nothing; export it again")
    for output in graph.output:
        if output.type.WhichOneof("value") not in ("tensor_type", None) or _type(output) == "string":
            raise ModelError(
                f"{name} answers with {_described(output)}, not with tensors of numbers; export it with them"
            )
    if not any(picture.name in node.input for node in inner(graph, NodeProto)):
        raise ModelError(f"no node of {name} reads its input {picture.name!r}, so there is nothing to measure")
    return size


def _side(picture: Any, name: str) -> int | None:
    shape, kind = _shape(picture), _type(picture)
    says = f"{name} takes {_described(picture)}"
    if shape is None or len(shape) != 4:
        raise ModelError(f"{says}; {_WANTED}: export it with such an input")
    if kind != "float32":
        raise ModelError(f"{says}; {_WANTED}: export it with a float32 input")
    batch, channels, height, width = shape
    last = channels != _COLOURS and width in _CHANNELS
    if last or (isinstance(channels, int) and channels != _COLOURS):
        do = "export it with channels first (tf2onnx: --inputs-as-nchw)" if last else "export it for RGB pictures"
        raise ModelError(f"{says}{', with channels last' if last else ''}; {_WANTED}: {do}")
    if isinstance(batch, int) and batch != 1:
        raise ModelError(f"{says}, {batch} pictures at once; {_WANTED}: export it at batch 1 or with a free batch")
    fixed = {one for one in (height, width) if isinstance(one, int)}
    if len(fixed) == 2:
        raise ModelError(
            f"{says}, {height} by {width} pixels; only square pictures can be measured: export it at a square size"
        )
    side = next(iter(fixed), None)
    if side is not None and not 0 < side <= LARGEST:
        raise ModelError(f"{says}; a side from 1 to {LARGEST} pixels can be measured")
    return side


def _shape(value: Any) -> Shape | None:
    """The declared shape, free sizes by their name or as `?`; None where there is none."""
    tensor = value.type.tensor_type
    if value.type.WhichOneof("value") != "tensor_type" or not tensor.HasField("shape"):
        return None
    # Some exporters write -1 for a free size.
    fixed = [one.WhichOneof("value") == "dim_value" and one.dim_value >= 0 for one in tensor.shape.dim]
    return tuple(
        one.dim_value if known else one.dim_param or "?" for one, known in zip(tensor.shape.dim, fixed, strict=True)
    )


def _type(value: Any) -> str:
    """The element type of a tensor: `float32`."""
    return _named(value.type.tensor_type.elem_type)


def _named(number: int) -> str:
    from onnx import TensorProto

    try:
        name = str(TensorProto.DataType.Name(number))
    except ValueError:  # of a newer ONNX
        return f"type {number}"
    return _NAMES.get(name, name.lower())


def _described(value: Any) -> str:
    """An input or output: `images (1, 3, height, width) float32`."""
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return f"{value.name} ({_OTHERS.get(kind, 'a value of no type')})"
    shape = _shape(value)
    sizes = "of unknown shape" if shape is None else f"({', '.join(map(str, shape))})"
    return f"{value.name} {sizes} {_type(value)}"


def arithmetic(model: Any) -> str:
    """What a graph computes in: `int8` where it quantises, else the type of its convolutions' weights."""
    from onnx import GraphProto, NodeProto, TensorProto

    nodes = list(inner(model, NodeProto))
    if any(node.op_type in _INTEGERS or node.op_type.startswith("QLinear") for node in nodes):
        return "int8"
    graphs = [model.graph, *inner(model, GraphProto)]
    types = {one.name: one.data_type for graph in graphs for one in graph.initializer}
    for node in nodes:
        if node.op_type == "Constant":
            types.update((node.output[0], one.t.data_type) for one in node.attribute if one.name == "value")
    read = {types[name] for node in nodes if node.op_type in _WEIGHTED for name in node.input[1:2] if name in types}
    for kind in (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE):
        if kind in read:
            return _named(kind)
    return "float32"


def lists_weights(model: Any) -> bool:
    """Whether weights are inputs too, which a caller may replace, so that a runtime must not fold them."""
    return model.ir_version >= 4 and len(taken(model.graph)) < len(model.graph.input)


def fixed(onnx: bytes, shape: Sequence[int]) -> bytes:
    """The model with an input of that shape alone: no free sizes, no weights among the inputs."""
    model = parsed(onnx)
    (picture,) = taken(model.graph)
    sizes = picture.type.tensor_type.shape.dim
    free = any(one.WhichOneof("value") != "dim_value" or one.dim_value < 0 for one in sizes)
    if not free and len(model.graph.input) == 1:
        return onnx
    for one, size in zip(sizes, shape, strict=True):
        one.dim_value = size
    alone = type(picture)()
    alone.CopyFrom(picture)
    del model.graph.input[:]
    model.graph.input.append(alone)
    if free:  # what was inferred with free sizes would contradict them now
        del model.graph.value_info[:]
        for output in model.graph.output:
            output.type.tensor_type.ClearField("shape")
    return bytes(model.SerializeToString(deterministic=True))
