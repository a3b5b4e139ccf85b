"""Every runtime for real: the same outputs as torch, the threads and precision asked for, helpful errors."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from nas.errors import LatencyError, RuntimeMissing
from nas.latency import LatencySettings
from nas.latency.artifacts.model_bytes import ModelBytes, SizedModel
from nas.latency.artifacts.prepare import TAKES, prepare, prepare_reference
from nas.latency.protocol.reference_nets import COMPUTE, reference_module
from nas.latency.runtimes import registry
from nas.latency.runtimes.registry import open_session
from nas.latency.runtimes.session import Session, check_finite, image
from nas.latency.types import OFFERS
from tests.latency.conftest import IMGSZ

Pixels = NDArray[np.float32]

HERE = [
    LatencySettings("onnxruntime"),
    LatencySettings("onnxruntime", threads=2),
    LatencySettings("openvino"),
    LatencySettings("openvino", threads=2),
    LatencySettings("openvino", "bfloat16"),
    LatencySettings("ncnn"),
    LatencySettings("ncnn", threads=2),
    LatencySettings("torch"),
    LatencySettings("torch", threads=2),
    LatencySettings("torch", "bfloat16"),
]
ON_CUDA = [
    LatencySettings(runtime, precision, device="cuda:0")
    for runtime, places in OFFERS.items()
    for precision in places.get("cuda", ())
]
FLOAT32 = ("onnxruntime", "openvino", "ncnn", "torch")


def _named(settings: LatencySettings) -> str:
    return f"{settings.runtime}-{settings.precision}-{settings.threads}"


def _skip_where_it_cannot_run(settings: LatencySettings) -> None:
    if not registry.is_installed(settings.runtime):
        pytest.skip(f"{settings.runtime} is not installed")
    if (settings.runtime, settings.precision) == ("openvino", "bfloat16"):
        import openvino

        if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            pytest.skip("this CPU has no bfloat16 arithmetic")


@pytest.fixture(scope="module")
def lively() -> nn.Module:
    """YOLO11n whose BatchNorms have seen noise: as it is built, its signal fades until all pictures look the same.

    Seeded, because random weights can amplify the last bit by a thousand.
    """
    from nas.model.builder import load_model

    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = load_model("yolo11n.yaml").train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the plain average of what it sees
    with torch.no_grad():
        model(torch.rand(8, 3, IMGSZ, IMGSZ, generator=torch.Generator().manual_seed(0)))
    return model.eval()


@contextmanager
def _opened(model: ModelBytes, settings: LatencySettings, imgsz: int = IMGSZ) -> Iterator[Session]:
    _skip_where_it_cannot_run(settings)
    with open_session(model, imgsz, settings) as session:
        yield session


def _torch(model: nn.Module, picture: Pixels) -> Pixels:
    from nas.model.builder import fused

    with torch.inference_mode():
        answer: Pixels = fused(model)(torch.from_numpy(picture))[0].numpy()  # type: ignore[arg-type]
    return answer


def _check_close(output: Pixels, expected: Pixels, precision: str) -> None:
    # (1, 4 + classes, positions); boxes are in pixels, classes in [0, 1].
    assert output.shape == expected.shape
    boxes, scores = np.abs(output[:, :4] - expected[:, :4]) / IMGSZ, np.abs(output[:, 4:] - expected[:, 4:])
    if precision == "float32":
        assert max(boxes.max(), scores.max()) < 1e-3
    else:
        # Random weights blow single roundings up; and no rounding at all would be another precision.
        assert max(np.median(boxes), np.median(scores)) < 0.05
        assert boxes.max() > 1e-3


@pytest.mark.parametrize(
    "settings",
    # Threads are the runtimes' own matter: the slow run looks at those of the others.
    [pytest.param(one, marks=pytest.mark.slow if one.threads > 1 else []) for one in HERE],
    ids=_named,
)
def test_outputs_are_torchs_for_every_picture_that_is_fed(settings: LatencySettings, lively: nn.Module) -> None:
    _skip_where_it_cannot_run(settings)
    threads = torch.get_num_threads()
    noise = image(IMGSZ)
    other = np.ascontiguousarray(noise[..., ::-1]) * np.float32(0.5)
    with open_session(prepare(lively, IMGSZ, settings), IMGSZ, settings) as session:
        check_finite(session)
        if TAKES[settings.runtime] == "pt":
            assert torch.get_num_threads() == settings.threads
        _check_close(session.outputs()[0], _torch(lively, noise), settings.precision)
        session.feed(other)
        session.run()
        kept = session.outputs()[0].copy()
        _check_close(kept, _torch(lively, other), settings.precision)
        assert session.build_s == 0.0
        session.feed(noise)
        other[:] = 0.0  # what was fed was copied
        session.run()
        _check_close(session.outputs()[0], _torch(lively, noise), settings.precision)
        assert np.abs(kept - session.outputs()[0]).max() > 1e-3
    assert torch.get_num_threads() == threads


def test_torch_decodes_in_float32_whatever_it_convolves_in(lively: nn.Module) -> None:
    settings = LatencySettings("torch", "bfloat16")
    with _opened(prepare(lively, IMGSZ, settings), settings) as session:
        session.run()
        first = session.outputs()[0].copy()  # with the run that makes the anchors
        session.run()
        for output in (first, session.outputs()[0]):
            boxes = torch.from_numpy(output[:, :4])
            assert (boxes != boxes.bfloat16().float()).float().mean() > 0.9
        assert (first == output).all()


@pytest.mark.parametrize("runtime", FLOAT32)
def test_a_reference_is_the_same_network_everywhere(runtime: str) -> None:
    settings = LatencySettings(runtime)
    picture = image(COMPUTE.imgsz)
    with torch.inference_mode():
        expected = reference_module(COMPUTE)(torch.from_numpy(picture)).numpy()
    with _opened(prepare_reference(COMPUTE, settings), settings, COMPUTE.imgsz) as session:
        check_finite(session)
        assert np.abs(session.outputs()[0] - expected).max() < 1e-5


def _onnx(*operators: str, shape: tuple[int, ...] = (1, 3, IMGSZ, IMGSZ), kind: int = TensorProto.FLOAT) -> ModelBytes:
    """Operators of one input in a row."""
    names = ["images", *(f"between{index}" for index in range(len(operators) - 1)), "output0"]
    nodes = [helper.make_node(op, [names[index]], [names[index + 1]]) for index, op in enumerate(operators)]
    ends = [helper.make_tensor_value_info(name, kind, shape) for name in (names[0], names[-1])]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:])
    return _model(graph)


def _model(graph: onnx.GraphProto) -> ModelBytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return ModelBytes("onnx", model.SerializeToString())


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_outputs_that_are_not_finite_stop_the_measurement(runtime: str) -> None:
    # The picture holds numbers above 0, and the logarithm of a negative number is NaN.
    with (
        _opened(_onnx("Neg", "Log"), LatencySettings(runtime)) as session,
        pytest.raises(LatencyError, match="NaN or infinite"),
    ):
        check_finite(session)


def _session_that_answers(output: Pixels) -> Session:
    return Session(lambda: None, lambda: [output], lambda picture: None)


def test_outputs_that_fade_away_stop_the_measurement() -> None:
    faded = np.full((1, 8, 100), 1e-40, dtype=np.float32)
    with pytest.raises(LatencyError, match=r"800 subnormal values .* of 800"):
        check_finite(_session_that_answers(faded))
    few = np.zeros((1, 8, 100), dtype=np.float32)
    few[0, 0, :8] = 1e-40  # a percent: scores that underflow
    few[0, 1] = np.finfo(np.float32).tiny  # the smallest normal number
    check_finite(_session_that_answers(few))
    few[0, 0, 8] = -1e-40
    with pytest.raises(LatencyError, match="9 subnormal values"):
        check_finite(_session_that_answers(few))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_onnx("Relu", shape=(1, 3, 96, 96)), r"\(1, 3, 96, 96\), the measurement needs \(1, 3, 64, 64\)"),
        (_onnx("Relu", shape=(2, 3, IMGSZ, IMGSZ)), "batch 1"),
        (_onnx("Relu", shape=(1, 3)), "has shape"),
        (_onnx("Relu", kind=TensorProto.FLOAT16), "must be float32"),
        (ModelBytes("onnx", b"not a model"), "cannot"),
    ],
    ids=["other size", "other batch", "no picture", "float16", "no model"],
)
def test_models_that_do_not_take_the_picture(runtime: str, model: ModelBytes, message: str) -> None:
    with pytest.raises(LatencyError, match=message), _opened(model, LatencySettings(runtime)):
        pass


@pytest.mark.parametrize("runtime", FLOAT32)
def test_the_wrong_kind_of_model(runtime: str, tiny: SizedModel) -> None:
    wrong = ModelBytes("ncnn" if TAKES[runtime] == "onnx" else "onnx", tiny.model.data)
    with pytest.raises(LatencyError, match="needs the model as"), _opened(wrong, LatencySettings(runtime)):
        pass


@pytest.mark.parametrize(("runtime", "message"), [("torch", "torch cannot load"), ("ncnn", "no zip of model.ncnn")])
def test_a_damaged_model(runtime: str, message: str) -> None:
    damaged = ModelBytes(TAKES[runtime], b"damaged")
    with pytest.raises(LatencyError, match=message), _opened(damaged, LatencySettings(runtime)):
        pass


@pytest.mark.slow
def test_ncnn_at_another_size(tiny_module: nn.Module) -> None:
    settings = LatencySettings("ncnn")
    _skip_where_it_cannot_run(settings)
    model = prepare(tiny_module, IMGSZ, settings)
    with pytest.raises(LatencyError, match=r"\(1, 3, 64, 64\), the measurement needs \(1, 3, 128, 128\)"):
        _opened(model, settings, 2 * IMGSZ).__enter__()


def test_float16_where_ncnn_would_compute_in_float32() -> None:
    ncnn = pytest.importorskip("ncnn")
    if ncnn.cpu_support_arm_asimdhp():
        pytest.skip("this CPU has float16 arithmetic")
    settings = LatencySettings("ncnn", "float16")
    with pytest.raises(LatencyError, match="ARM"), _opened(prepare_reference(COMPUTE, settings), settings):
        pass


def test_an_unknown_reference() -> None:
    with (
        pytest.raises(LatencyError, match="no reference network"),
        _opened(ModelBytes("reference", b"reference-9-9"), LatencySettings("torch")),
    ):
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without CUDA")
@pytest.mark.parametrize(
    ("runtime", "message"),
    [("onnxruntime", "onnxruntime-gpu"), ("torch", "torch sees 0 CUDA"), ("torch-cudagraph", "torch sees 0 CUDA")],
)
def test_no_cuda(runtime: str, message: str) -> None:
    settings = LatencySettings(runtime, device="cuda:0")
    with pytest.raises(LatencyError, match=message), _opened(prepare_reference(COMPUTE, settings), settings):
        pass


@pytest.mark.device
@pytest.mark.parametrize("settings", ON_CUDA, ids=_named)
def test_cuda(settings: LatencySettings, lively: nn.Module) -> None:
    _skip_where_it_cannot_run(settings)
    if settings.runtime == "onnxruntime":
        import onnxruntime

        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            pytest.skip("this onnxruntime is built for CPUs")
    model = prepare(lively, IMGSZ, settings, image(IMGSZ))
    with _opened(model, settings) as session:
        check_finite(session)
        _check_close(session.outputs()[0], _torch(lively, image(IMGSZ)), settings.precision)
        assert (session.build_s > 0) == (settings.runtime == "tensorrt")


@pytest.mark.parametrize(("device", "refused"), [("cpu", "0"), ("cuda:0", "1")])
def test_onnxruntime_leaves_no_node_to_the_cpu_when_cuda_is_asked(
    device: str, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    entry = "session.disable_cpu_ep_fallback"

    def asked(data: bytes, options: onnxruntime.SessionOptions, providers: object) -> None:
        try:
            value = options.get_session_config_entry(entry)
        except RuntimeError:  # it was not set
            value = "0"
        raise RuntimeError(f"fallback refused: {value}")

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", asked)
    settings = LatencySettings(device=device)
    with (
        pytest.raises(LatencyError, match=f"refused: {refused}"),
        _opened(prepare_reference(COMPUTE, settings), settings),
    ):
        pass


@pytest.mark.parametrize(
    ("runtime", "module", "command"),
    [
        ("openvino", "openvino", "pip install openvino"),
        ("ncnn", "ncnn", "pip install ncnn pnnx"),
        ("tensorrt", "tensorrt", "pip install tensorrt cuda-bindings"),
        ("torch-cudagraph", "torch", "pip install torch"),
    ],
)
def test_a_runtime_that_is_not_installed(
    runtime: str, module: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert not registry.is_installed(runtime)
    assert command in registry.available_runtimes()[runtime]
    settings = LatencySettings(runtime, device="cpu" if "cpu" in OFFERS[runtime] else "cuda:0")
    with pytest.raises(RuntimeMissing) as raised:
        open_session(ModelBytes("onnx", b""), IMGSZ, settings)
    assert command in str(raised.value)


@pytest.mark.parametrize(("known", "asked"), [({"STRONGLY_TYPED": 1}, 2), ({}, 0)])
def test_networks_of_every_tensorrt_are_strongly_typed(known: dict[str, int], asked: int) -> None:
    from nas.latency.runtimes.tensorrt import strongly_typed

    assert strongly_typed(SimpleNamespace(**known)) == asked


def test_the_picture_is_always_the_same() -> None:
    assert image(32).shape == (1, 3, 32, 32)
    assert (image(32) == image(32)).all()
    assert image(32).dtype == np.float32
