"""Small ONNX files as other exporters write them."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from nas.latency import LatencySettings
from nas.latency.artifacts.model_files import ModelFile
from nas.latency.artifacts.prepare import prepare
from nas.latency.runtimes.registry import open_session
from nas.latency.runtimes.session import check_finite, image

SIZE = 32

ONE_SENTENCE = re.compile(r"ghostnas: [^\n]+\n")
CPP = re.compile(r"::|\.(cc|cpp|hpp|h)\b|_src/|\[ONNXRuntimeError\]|Traceback|failed at|\x1b")
"""What no message may hold."""

Shape = Sequence[int | str | None] | None


def value(name: str, shape: Shape = (1, 3, SIZE, SIZE), kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def conv(
    *,
    inputs: Sequence[Any] | None = None,
    outputs: Sequence[Any] | None = None,
    nodes: Sequence[Any] | None = None,
    weight: float = 0.05,
    kind: Any = np.float32,
    opset: int = 17,
    ir: int = 8,
    listed: str = "",
    domains: Sequence[str] = (),
    functions: Sequence[Any] = (),
) -> Any:
    """One convolution and a ReLU, unless other nodes are given; `listed` weights are the `first` or `last` input."""
    weights = numpy_helper.from_array(np.full((8, 3, 3, 3), weight, dtype=kind), "w")
    ends = list(inputs if inputs is not None else [value("images")])
    also = value("w", [8, 3, 3, 3])
    graph = helper.make_graph(
        list(nodes if nodes is not None else [node("Conv", "images w", "c", pads=[1] * 4), node("Relu", "c", "y")]),
        "g",
        {"first": [also, *ends], "last": [*ends, also]}.get(listed, ends),
        list(outputs if outputs is not None else [value("y", None)]),
        [weights],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 1) for name in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir, functions=list(functions))


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


def written(model: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def external(path: Path, location: str = "w.bin", **more: Any) -> Path:
    """A model whose weights lie at `location`, made in the file's folder unless it leads out of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    inside = location if not os.path.normpath(location).startswith(("/", "..")) else "w.bin"
    (path.parent / inside).parent.mkdir(parents=True, exist_ok=True)
    (path.parent / inside).unlink(missing_ok=True)
    onnx.save(conv(**more), str(path), save_as_external_data=True, location=inside, size_threshold=0)
    if inside != location:
        stated(path, location=location)
    return path


def stated(path: Path, **entries: str) -> None:
    """Rewrite what the first tensor says of its external data; an empty text takes the entry away."""
    model = onnx.load(str(path), load_external_data=False)
    tensor = model.graph.initializer[0]
    said = {one.key: one.value for one in tensor.external_data} | entries
    del tensor.external_data[:]
    for key, text in said.items():
        if text:
            tensor.external_data.add(key=key, value=text)
    path.write_bytes(model.SerializeToString())


def outputs_of(model: ModelFile, runtime: str = "onnxruntime", size: int = SIZE, **more: Any) -> list[Any]:
    settings = LatencySettings(runtime, **more)
    pictures = image(size) if settings.precision == "int8" else None
    with open_session(prepare(model, size, settings, pictures), size, settings) as session:
        check_finite(session)
        return [np.array(one) for one in session.outputs()]
