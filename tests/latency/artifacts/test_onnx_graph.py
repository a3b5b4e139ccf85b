"""What the graphs of others' ONNX files take, give and compute in: measured, or refused in one sentence."""

import io
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from nas.errors import LatencyError, ModelError, Unmeasurable, UsageError
from nas.latency import LatencyDevice, LatencySettings, model_latencies
from nas.latency.artifacts.model_files import find_model, own_imgsz
from nas.latency.artifacts.onnx_graph import arithmetic, fixed, parsed
from nas.latency.artifacts.prepare import prepare
from nas.latency.artifacts.users_onnx import note
from nas.latency.model_latencies import choose_imgsz
from nas.latency.predictor.features import graph_features
from nas.latency.runtimes.clock_scope import scoped
from nas.latency.runtimes.plain_words import reasons
from nas.latency.runtimes.session import Session
from tests.latency.conftest import Run
from tests.latency.onnx_makers import CPP, ONE_SENTENCE, SIZE, conv, node, outputs_of, value, written

CASES = Path(__file__).parents[4] / "shared" / "cases" / "odd_onnx" / "make.py"


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "ncnn"])
@pytest.mark.parametrize("listed", ["first", "last"])
def test_weights_among_the_inputs_are_not_the_picture(tmp_path: Path, runtime: str, listed: str) -> None:
    pytest.importorskip(runtime)
    model = find_model(str(written(conv(listed=listed), tmp_path / "m.onnx")))
    assert choose_imgsz(model, None, runtime) == SIZE
    plain = find_model(str(written(conv(), tmp_path / "plain.onnx")))
    assert np.allclose(outputs_of(model, runtime)[0], outputs_of(plain)[0], atol=1e-4)
    assert outputs_of(model, precision="int8")[0].shape == (1, 8, SIZE, SIZE)
    half = parsed(prepare(model, SIZE, LatencySettings(precision="float16", device="cuda:0")).data)
    assert arithmetic(half) == "float16" and len(half.graph.input) == 1
    assert note("m.onnx", model.onnx or b"", LatencySettings()) is not None
    assert note("plain.onnx", plain.onnx or b"", LatencySettings()) is None


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 3, 32, 32), 32),
        (("n", 3, 32, 32), 32),
        ((1, 3, 32, "w"), 32),
        ((1, 3, "h", 32), 32),
        (("n", "c", "s", "s"), None),
        ((-1, 3, -1, -1), None),
        ((1, 3, 100, 100), 100),
    ],
)
def test_sizes_that_are_free(tmp_path: Path, shape: Any, size: int | None) -> None:
    model = find_model(str(written(conv(inputs=[value("images", shape)]), tmp_path / "m.onnx")))
    assert choose_imgsz(model, None, "onnxruntime") == (size or 640)
    if size is None:
        assert choose_imgsz(model, 64, "onnxruntime") == 64
    used = size or 64
    assert outputs_of(model, size=used)[0].shape == (1, 8, used, used)
    for_tensorrt = parsed(prepare(model, used, LatencySettings("tensorrt", device="cuda:0")).data)
    assert [one.dim_value for one in for_tensorrt.graph.input[0].type.tensor_type.shape.dim] == [1, 3, used, used]
    assert sum(graph_features(fixed(model.onnx or b"", (1, 3, used, used))).amounts) > 0


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_an_output_of_no_declared_rank_is_computed(tmp_path: Path, runtime: str) -> None:
    """As of a loop or of an operator without shape inference."""
    pytest.importorskip(runtime)
    ends = [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("x", None)]
    nodes = [node("Identity", "go", "on"), node("Add", "x x", "twice")]
    body = helper.make_graph(nodes, "b", ends, [value("on", [], TensorProto.BOOL), value("twice", None)])
    model = conv(nodes=[helper.make_node("Loop", ["n", "", "images"], ["y"], body=body)])
    model.graph.initializer.append(numpy_helper.from_array(np.array(3), "n"))
    assert outputs_of(find_model(str(written(model, tmp_path / "m.onnx"))), runtime)[0].shape == (1, 3, SIZE, SIZE)


def test_ncnn_computes_every_output(tmp_path: Path) -> None:
    pytest.importorskip("pnnx")
    nodes = [node("Conv", "images w", "y", pads=[1] * 4), node("Sigmoid", "y", "z")]
    model = find_model(
        str(written(conv(nodes=nodes, outputs=[value("y", None), value("z", None)]), tmp_path / "m.onnx"))
    )
    assert len(outputs_of(model, "ncnn")) == 2


# What is refused before anything is measured.

TWO = conv(
    inputs=[value("images"), value("scale", [1])],
    nodes=[node("Conv", "images w", "c"), node("Mul", "c scale", "y")],
)
GRAPHS: dict[str, tuple[Any, str]] = {
    "two inputs": (TWO, "takes 2 inputs: images (1, 3, 32, 32) float32 and scale (1) float32"),
    "no input": (conv(inputs=[], nodes=[node("Relu", "w", "y")]), "takes no input"),
    "NHWC": (conv(inputs=[value("images", (1, 96, 96, 3))]), "(1, 96, 96, 3) float32, with channels last"),
    "NHWC, free": (conv(inputs=[value("i", ("b", 64, "w", 3))]), "i (b, 64, w, 3) float32, with channels last"),
    "NHWC, all sizes free": (conv(inputs=[value("i", ("b", "h", "w", 3))]), "(b, h, w, 3) float32, with channels last"),
    "NHWC, free height": (conv(inputs=[value("i", (1, "h", 64, 3))]), "i (1, h, 64, 3) float32, with channels last"),
    "NHWC, grey and free": (conv(inputs=[value("i", (-1, -1, -1, 1))]), "i (?, ?, ?, 1) float32, with channels last"),
    "grey": (conv(inputs=[value("images", (1, 1, 32, 32))]), "(1, 1, 32, 32) float32; what is measured"),
    "4 channels": (conv(inputs=[value("images", (1, 4, 32, 32))]), "export it for RGB pictures"),
    "5-D": (conv(inputs=[value("images", (1, 3, 4, 32, 32))]), "takes images (1, 3, 4, 32, 32) float32"),
    "2-D": (conv(inputs=[value("images", (1, 10))]), "takes images (1, 10) float32"),
    "a scalar": (conv(inputs=[value("images", ())]), "takes images () float32"),
    "no shape": (conv(inputs=[value("images", None)]), "takes images of unknown shape float32"),
    "batch 4": (conv(inputs=[value("images", (4, 3, 32, 32))]), "4 pictures at once"),
    "batch 0": (conv(inputs=[value("images", (0, 3, 32, 32))]), "0 pictures at once"),
    "size 0": (conv(inputs=[value("images", (1, 3, 0, 0))]), "a side from 1 to 8192"),
    "huge": (conv(inputs=[value("images", (1, 3, 10**6, 10**6))]), "a side from 1 to 8192"),
    "rectangle": (conv(inputs=[value("images", (1, 3, 96, 160))]), "96 by 160 pixels; only square"),
    "a sequence": (
        conv(inputs=[helper.make_tensor_sequence_value_info("images", TensorProto.FLOAT, None)]),
        "takes images (a sequence)",
    ),
    "optional": (
        conv(inputs=[helper.make_value_info("images", helper.make_optional_type_proto(value("x").type))]),
        "takes images (an optional value)",
    ),
    "no output": (conv(outputs=[]), "has no output"),
    "sequence out": (
        conv(outputs=[helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)]),
        "answers with y (a sequence)",
    ),
    "text out": (conv(outputs=[value("y", None, TensorProto.STRING)]), "string, not with tensors of numbers"),
    "empty graph": (conv(nodes=[], outputs=[value("images")]), "no node of m.onnx reads its input 'images'"),
    "input unused": (conv(nodes=[node("Relu", "w", "y")]), "reads its input 'images'"),
} | {
    name: (conv(inputs=[value("images", kind=kind)]), f"takes images (1, 3, 32, 32) {name};")
    for name, kind in {
        "uint8": TensorProto.UINT8,
        "float16": TensorProto.FLOAT16,
        "int64": TensorProto.INT64,
        "float64": TensorProto.DOUBLE,
        "bfloat16": TensorProto.BFLOAT16,
    }.items()
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_what_takes_or_gives_something_else(run: Run, tmp_path: Path, kind: str) -> None:
    model, message = GRAPHS[kind]
    written(model, tmp_path / "m.onnx")
    code, output, error = run("latency", "m.onnx")
    assert (code, output) == (2, "") and message in error and "m.onnx" in error
    assert ONE_SENTENCE.fullmatch(error) and not CPP.search(error)


MADE: dict[str, int | str | None] = {
    "plain": 96,
    "dyn_batch": 96,
    "dyn_all": None,
    "dyn_hw_same": None,
    "keep_init": 96,
    "keep_init_first": 96,
    "external/model": 96,
    "external_gone/model": "weights in a second file, model.onnx.data, which is not in",
    "batch4": "4 pictures at once",
    "nhwc": "with channels last",
    "nhwc_dyn": "with channels last",
    "fp16": "(1, 3, 96, 96) float16",
    "uint8": "(1, 3, 96, 96) uint8",
    "two_inputs": "takes 2 inputs",
    "rect": "96 by 160 pixels",
    "empty": "is empty (0 bytes)",
    "html": "is a web page",
    "lfs": "run git lfs pull",
}
"""What the maker of the cases writes: the input size that each file states, or what is said of it."""


@pytest.mark.skipif(not CASES.is_file(), reason="the cases are not here")
def test_every_case_has_its_right_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(CASES), str(tmp_path)])
    runpy.run_path(str(CASES), run_name="__main__")
    assert {str(path.relative_to(tmp_path).with_suffix("")) for path in tmp_path.rglob("*.onnx")} == MADE.keys()
    for name, right in MADE.items():
        file = str(tmp_path / f"{name}.onnx")
        if isinstance(right, str):
            with pytest.raises(ModelError, match=re.escape(right)):
                own_imgsz(find_model(file))
        else:
            assert own_imgsz(find_model(file)) == right


# What a file computes in.

QUANTISED = conv(
    nodes=[
        node("DynamicQuantizeLinear", "images", "q s z"),
        node("DequantizeLinear", "q s z", "f"),
        node("Relu", "f", "y"),
    ]
)
UNPACKED = conv(nodes=[node("Conv", "images w", "DequantizeLinear", name="DequantizeLinear")])


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (conv(), "float32"),
        (conv(kind=np.float16), "float16"),
        (conv(kind=np.float64), "float64"),
        (QUANTISED, "int8"),
        (conv(nodes=[node("ConvInteger", "images w", "y")]), "int8"),
        (conv(nodes=[node("QLinearConv", "images w", "y")]), "int8"),
        (UNPACKED, "float32"),
    ],
)
def test_what_a_graph_computes_in(tmp_path: Path, model: Any, found: str) -> None:
    assert arithmetic(model) == found
    file = find_model(str(written(model, tmp_path / "m.onnx")))
    if found == "float32":
        assert prepare(file, SIZE, LatencySettings()).data == file.onnx
        return
    with pytest.raises(UsageError, match=rf"m\.onnx computes in {found}"):
        prepare(file, SIZE, LatencySettings())
    if found == "int8":
        assert prepare(file, SIZE, LatencySettings(precision="int8")).data == file.onnx
    else:  # OpenVINO is told what to compute in, and proves it
        assert prepare(file, SIZE, LatencySettings("openvino")).data == file.onnx
        half = LatencySettings(precision="float16", device="cuda:0")
        if found == "float16":
            assert prepare(file, SIZE, half).data == file.onnx


# What only the runtime can tell.

BAD: dict[str, tuple[Any, str]] = {
    "a custom operator": (conv(nodes=[node("Foo", "images", "y", domain="my.ops")], domains=["my.ops"]), "Foo"),
    "an unknown operator": (conv(nodes=[node("Foo", "images", "y")]), "Foo"),
    "a newer opset": (conv(opset=99), "opset"),
    "a newer format": (conv(ir=99), "IR version: 99"),
    "a cycle": (conv(nodes=[node("Add", "images y", "z"), node("Relu", "z", "y")]), ""),
    "channels that differ": (
        conv(nodes=[node("Transpose", "images", "t", perm=[0, 2, 1, 3]), node("Conv", "t w", "y")]),
        "",
    ),
}


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("kind", BAD)
def test_what_a_runtime_refuses_is_told_without_its_sources(tmp_path: Path, kind: str, runtime: str) -> None:
    pytest.importorskip(runtime)
    model, word = BAD[kind]
    if runtime == "openvino" and kind.startswith("a newer"):
        return  # it runs them
    file = find_model(str(written(model, tmp_path / "m.onnx")))
    with pytest.raises(LatencyError) as told:
        outputs_of(file, runtime)
    text = str(told.value)
    assert word in text and "another --runtime" in text
    assert not CPP.search(text) and "\n" not in text


def test_reasons() -> None:
    said = {
        "[ONNXRuntimeError] : 1 : FAIL : /onnxruntime_src/core/graph/model.cc:256 onnxruntime::Model::Model("
        "onnx::ModelProto&&, const onnxruntime::PathString&) const Unsupported model IR version: 99\n": (
            "Unsupported model IR version: 99"
        ),
        "Exception from src/inference/src/cpp/core.cpp:105:\nCheck 'false' failed at src/x.cpp:151:\nSummary:\n"
        "-- No conversion rule found for operations: util::SequenceMark\n\n": (
            "No conversion rule found for operations: SequenceMark"
        ),
        "Exception from src/inference/src/cpp/core.cpp:105:\n": "it gave no reason",
        "x" * 1000: "x" * 300 + "...",
    }
    assert {text: reasons(text) for text in said} == said


def test_the_one_of_several_that_does_not_run_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calibration_of_a_test: None
) -> None:
    files = [
        find_model(str(written(model, tmp_path / f"{name}.onnx")))
        for name, model in (("a", conv()), ("b", conv(ir=99)))
    ]
    with pytest.raises(LatencyError, match=r"b\.onnx: ONNX Runtime .* Unsupported model IR version: 99"):
        model_latencies.latencies_of(files, [SIZE, SIZE], LatencyDevice(LatencySettings()), fresh=True)

    def killed(*_: object) -> None:
        raise Unmeasurable("the measuring process ended with signal 11: it said nothing")

    monkeypatch.setattr(LatencyDevice, "run_once", killed)
    with pytest.raises(LatencyError, match=r"a\.onnx ends runtime onnxruntime: .* signal 11") as told:
        model_latencies.latencies_of(files, [SIZE, SIZE], LatencyDevice(LatencySettings()), fresh=True)
    assert not isinstance(told.value, Unmeasurable)  # which would be tried again and again


@pytest.fixture
def calibration_of_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LatencyDevice, "calibrated", lambda device: device)


@pytest.mark.parametrize("shape", [(1, 64, 1, 1), (1, 10), (1, 84, 85), (1, 252, 85), (1, 3, 84), (2, 84, 8400)])
def test_nms_of_what_is_no_ultralytics_detector(shape: tuple[int, ...]) -> None:
    session = Session(lambda: None, lambda: [np.zeros(shape, dtype=np.float32)], lambda picture: None)
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((1, 3, 64, 64), dtype=np.float32))
    detect = scoped(session, 64, "+nms", buffer.getvalue())
    if shape == (1, 84, 85):  # 80 classes and the positions of 64 px are a detector's
        detect()
        return
    with pytest.raises(LatencyError, match=r"answers with shape .*; measure it with --scope compute"):
        detect()
