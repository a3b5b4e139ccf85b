"""Every runtime for real: the same outputs as torch, the threads and precision asked for, helpful errors."""

import io
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from nas.errors import LatencyError, RuntimeMissing
from nas.latency import LatencySettings, Subject, measure, runtimes
from nas.latency.runtimes import open_session
from nas.latency.session import check_finite, image
from tests.latency.conftest import IMGSZ, measurable

ALL = [
    LatencySettings("onnxruntime"),
    LatencySettings("onnxruntime", threads=2),
    LatencySettings("openvino"),
    LatencySettings("openvino", threads=2),
    LatencySettings("openvino", "bfloat16"),
    LatencySettings("torch"),
    LatencySettings("torch", threads=2),
    LatencySettings("torch", "bfloat16"),
]


def _named(settings: LatencySettings) -> str:
    return f"{settings.runtime}-{settings.precision}-{settings.threads}"


def _has_bfloat16() -> bool:
    openvino = pytest.importorskip("openvino")
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.fixture(scope="module")
def reference(tiny: Subject) -> np.ndarray:
    assert tiny.module is not None
    with torch.inference_mode():
        return tiny.module(torch.from_numpy(image(IMGSZ)))[0].numpy()


@pytest.mark.parametrize("settings", ALL, ids=_named)
def test_outputs_are_torchs(settings: LatencySettings, tiny: Subject, reference: np.ndarray) -> None:
    if settings.runtime == "openvino" and settings.precision == "bfloat16" and not _has_bfloat16():
        pytest.skip("this CPU has no bfloat16 arithmetic")
    threads = torch.get_num_threads()
    with open_session(tiny, settings) as session:
        session.run()
        output = session.outputs()[0]
        if settings.runtime == "torch":
            assert torch.get_num_threads() == settings.threads
    assert torch.get_num_threads() == threads
    close = 1e-3 if settings.precision == "float32" else 0.05
    # (1, 4 + classes, positions); boxes are in pixels, classes in [0, 1].
    assert np.abs(output[:, :4] - reference[:, :4]).max() < close * IMGSZ
    assert np.abs(output[:, 4:] - reference[:, 4:]).max() < close


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "torch"])
def test_a_real_measurement(runtime: str, tiny: Subject) -> None:
    settings = LatencySettings(runtime)
    latency = measurable(lambda: measure(tiny, settings))
    assert 0 < latency.low_ms <= latency.latency_ms <= latency.high_ms
    assert len(latency.blocks) >= 10
    assert latency.settings == settings
    assert latency.key["runtime"] == runtime
    assert latency.key["input_shape"] == [1, 3, IMGSZ, IMGSZ]
    assert latency.key["model"] == tiny.digest


def _onnx(op: str, shape: tuple[int, ...] = (1, 3, IMGSZ, IMGSZ), kind: int = TensorProto.FLOAT) -> bytes:
    ends = [helper.make_tensor_value_info(name, kind, shape) for name in ("images", "output0")]
    graph = helper.make_graph([helper.make_node(op, ["images"], ["output0"])], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    buffer = io.BytesIO()
    onnx.save(model, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_outputs_that_are_not_finite_stop_the_measurement(runtime: str) -> None:
    # The picture holds no zero below 1, and the logarithm of a negative number is NaN.
    negative_log = helper.make_graph(
        [helper.make_node("Neg", ["images"], ["minus"]), helper.make_node("Log", ["minus"], ["output0"])],
        "g",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, IMGSZ, IMGSZ))],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, (1, 3, IMGSZ, IMGSZ))],
    )
    model = helper.make_model(negative_log, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(LatencyError, match="NaN or infinite"):
        measure(Subject(IMGSZ, model.SerializeToString()), LatencySettings(runtime))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_onnx("Relu", (1, 3, 96, 96)), r"\(1, 3, 96, 96\), the measurement needs \(1, 3, 64, 64\)"),
        (_onnx("Relu", (2, 3, IMGSZ, IMGSZ)), "batch 1"),
        (_onnx("Relu", (1, 3)), "has shape"),
        (_onnx("Relu", kind=TensorProto.FLOAT16), "must be float32"),
        (b"not a model", "cannot"),
    ],
    ids=["other size", "other batch", "no picture", "float16", "no model"],
)
def test_models_that_do_not_take_the_picture(runtime: str, model: bytes, message: str) -> None:
    with (
        pytest.raises(LatencyError, match=message),
        open_session(Subject(IMGSZ, model), LatencySettings(runtime)),
    ):
        pass


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "torch"])
def test_the_wrong_kind_of_model(runtime: str, tiny: Subject) -> None:
    subject = Subject(IMGSZ, onnx=tiny.onnx) if runtime == "torch" else Subject(IMGSZ, module=tiny.module)
    with (
        pytest.raises(LatencyError, match="needs the model as"),
        open_session(subject, LatencySettings(runtime)),
    ):
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without CUDA")
@pytest.mark.parametrize(("runtime", "message"), [("onnxruntime", "onnxruntime-gpu"), ("torch", "torch sees 0 CUDA")])
def test_no_cuda(runtime: str, message: str, tiny: Subject) -> None:
    with (
        pytest.raises(LatencyError, match=message),
        open_session(tiny, LatencySettings(runtime, device="cuda:0")),
    ):
        pass


@pytest.mark.device
@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
def test_cuda(runtime: str, tiny: Subject, reference: np.ndarray) -> None:
    with open_session(tiny, LatencySettings(runtime, device="cuda:0")) as session:
        check_finite(session)
        assert np.abs(session.outputs()[0] - reference).max() < 0.05


def test_a_runtime_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tiny: Subject) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert not runtimes.is_installed("openvino")
    with pytest.raises(RuntimeMissing) as raised:
        measure(tiny, LatencySettings("openvino"))
    assert 'pip install "ghostnas[openvino]"' in str(raised.value)


def test_the_picture_is_always_the_same() -> None:
    assert image(32).shape == (1, 3, 32, 32)
    assert (image(32) == image(32)).all()
    assert image(32).dtype == np.float32
