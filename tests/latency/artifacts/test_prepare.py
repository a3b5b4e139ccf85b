"""The file that is measured: its kinds, its precisions, and that a quantised one still detects."""

import io
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from nas.data import DetectionData, load
from nas.data.image_cache import pixels
from nas.data.synthetic import embedded
from nas.errors import LatencyError, ModelError, UsageError
from nas.latency import LatencySettings
from nas.latency.artifacts.detect_tail import named, tail
from nas.latency.artifacts.float16 import halved
from nas.latency.artifacts.int8 import quantised
from nas.latency.artifacts.model_bytes import ModelBytes, SizedModel
from nas.latency.artifacts.model_files import find_model
from nas.latency.artifacts.ncnn_pack import NcnnModel, pack, unpack
from nas.latency.artifacts.prepare import TAKES, prepare
from nas.latency.artifacts.torch_file import from_pt, to_pt
from nas.latency.outputs import difference, opened_for_pictures, relative_difference
from nas.latency.runtimes.registry import is_installed
from nas.latency.runtimes.session import image
from nas.latency.types import RUNTIMES
from nas.model.builder import build, fused, load_model
from nas.model.onnx import graph_of, to_onnx
from nas.proxy import ProxySettings, Score, train_proxy, validate
from nas.proxy.validation import matches, score_of
from tests.latency.conftest import IMGSZ

SIZE = 96
INT8 = LatencySettings(precision="int8")

NARROW = """
nc: 6
backbone:
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [24, 3, 2]]
  - [-1, 1, C3k2, [32, False, 0.25]]
  - [-1, 1, Conv, [32, 3, 2]]
  - [-1, 1, C3k2, [48, False, 0.25]]
  - [-1, 1, Conv, [64, 3, 2]]
  - [-1, 1, C3k2, [64, True]]
head:
  - [-1, 1, nn.Upsample, [None, 2, nearest]]
  - [[-1, 4], 1, Concat, [1]]
  - [-1, 1, C3k2, [48, False]]
  - [[9, 6], 1, Detect, [nc]]
"""


@pytest.fixture(scope="module")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> DetectionData:
    """A small embedded set of the test run's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHOSTNAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(embedded, "PICTURES", {"train": 150, "val": 12})
        patch.setattr(embedded, "SET_NAME", "embedded-small")
        return load(None)


@pytest.fixture(scope="module")
def trained(small_data: DetectionData) -> nn.Module:
    """A small detector that has learned something."""
    settings = ProxySettings(steps=90, batch=8, recalibration=32, precision="float32")
    return train_proxy(build(NARROW, seed=0), small_data, SIZE, settings)[1]


@pytest.fixture(scope="module")
def learned(trained: nn.Module, small_data: DetectionData) -> Score:
    """Torch's score of it."""
    score = validate(trained, small_data.select, small_data, SIZE)
    assert score.map50_95 > 0.05  # else the comparisons below would say nothing
    return score


@pytest.fixture(scope="module")
def pictures(small_data: DetectionData) -> NDArray[np.float32]:
    return np.asarray(pixels(small_data.train, SIZE).images[:32], dtype=np.float32) / np.float32(255)


def _scored(file: ModelBytes, settings: LatencySettings, data: DetectionData) -> Score:
    with opened_for_pictures(SizedModel(file, SIZE), settings) as predict:
        return score_of(matches(lambda images: torch.from_numpy(predict(images.numpy())), data.select, SIZE))


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "ncnn"])
def test_a_float32_file_scores_what_torch_scores(
    runtime: str, trained: nn.Module, learned: Score, small_data: DetectionData
) -> None:
    if not is_installed(runtime):
        pytest.skip(f"{runtime} is not installed")
    settings = LatencySettings(runtime)
    score = _scored(prepare(trained, SIZE, settings), settings, small_data)
    assert score.map50_95 == pytest.approx(learned.map50_95, abs=1e-3)


@pytest.mark.slow
def test_one_int8_file_detects_in_both_runtimes(
    trained: nn.Module, learned: Score, small_data: DetectionData, pictures: NDArray[np.float32]
) -> None:
    file = prepare(trained, SIZE, INT8, pictures)
    scores = [_scored(file, INT8, small_data)]
    if is_installed("openvino"):
        settings = LatencySettings("openvino", "int8")
        assert prepare(trained, SIZE, settings, pictures).digest == file.digest
        scores.append(_scored(file, settings, small_data))
    for score in scores:
        assert score.map50_95 > 0.8 * learned.map50_95
        assert score != learned  # it is another file


@pytest.mark.slow
def test_quantising_the_tail_would_lose_every_detection(
    trained: nn.Module,
    learned: Score,
    small_data: DetectionData,
    pictures: NDArray[np.float32],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nas.latency.artifacts.int8.tail", lambda model: [])
    spoilt = ModelBytes("onnx", quantised(to_onnx(trained, SIZE), pictures, symmetric=False))  # type: ignore[arg-type]
    assert _scored(spoilt, INT8, small_data).map50_95 < 0.5 * learned.map50_95


@pytest.mark.slow
def test_quantising_is_silent_repeatable_and_leaves_nothing_behind(
    trained: nn.Module,
    pictures: NDArray[np.float32],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    plain = to_onnx(trained, SIZE)  # type: ignore[arg-type]
    first, second = (quantised(plain, pictures[:4], symmetric=False) for _ in range(2))
    assert first == second
    assert len(first) < 0.6 * len(plain)
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in tmp_path.rglob("*")] == ["tmp"]
    assert to_onnx(trained, SIZE) == plain  # type: ignore[arg-type]


@pytest.mark.slow
def test_tensorrts_file_has_no_zero_points_and_quantises_what_convolutions_read(
    trained: nn.Module, pictures: NDArray[np.float32]
) -> None:
    settings = LatencySettings("tensorrt", "int8", device="cuda:0")
    graph = onnx.load_model_from_string(prepare(trained, SIZE, settings, pictures[:4]).data).graph
    values = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    pairs = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    for node in pairs:
        assert not values[node.input[2]].any()
        assert values[node.input[2]].dtype in (np.int8, np.int32)  # the latter are biases
    for node in pairs:
        if node.op_type == "DequantizeLinear":
            assert "Conv" in {reader.op_type for reader in graph.node if node.output[0] in reader.input}


@pytest.mark.slow
def test_a_float16_file_keeps_its_ends_and_its_tail(trained: nn.Module, pictures: NDArray[np.float32]) -> None:
    settings = LatencySettings("tensorrt", "float16", device="cuda:0")
    half = prepare(trained, SIZE, settings)
    graph = onnx.load_model_from_string(half.data).graph
    ends = [*graph.input, *graph.output]
    assert {one.type.tensor_type.elem_type for one in ends} == {TensorProto.FLOAT}
    weights = {one.name: one.data_type for one in graph.initializer}
    types = [weights[node.input[1]] for node in graph.node if node.op_type == "Conv"]
    assert types.count(TensorProto.FLOAT16) == len(types) > 20
    bins = [weights[node.input[0]] for node in graph.node if node.op_type == "MatMul" and node.input[0] in weights]
    assert bins == [TensorProto.FLOAT]  # the DFL's
    plain = LatencySettings()  # which computes a float16 file too, slowly
    with (
        opened_for_pictures(SizedModel(half, SIZE), plain) as predict,
        opened_for_pictures(SizedModel(prepare(trained, SIZE, plain), SIZE), plain) as expected,
    ):
        assert 0 < difference(predict, expected, pictures[:3]) < 0.05


@pytest.mark.parametrize("stock", [True, False])
def test_the_tail_of_a_detector(tiny: SizedModel, stock: bool) -> None:
    data = graph_of(fused(load_model("yolo11n.yaml")), SIZE) if stock else tiny.model.data
    model = onnx.load_model_from_string(data)
    names = set(tail(model))
    kinds = [node.op_type for node in model.graph.node if node.name in names]
    assert (kinds.count("Conv"), kinds.count("MatMul")) == ((1, 0) if stock else (0, 1))  # the DFL's
    assert kinds.count("Softmax") == 1  # not the one of attention
    assert model.graph.node[-1].name in names
    assert len(names) < 0.2 * len(model.graph.node)


def test_nodes_get_names_of_their_own() -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3)) for name in ("a", "d")]
    nodes = [
        helper.make_node("Relu", ["a"], ["b"], name="same"),
        helper.make_node("Relu", ["b"], ["c"], name="same"),
        helper.make_node("Relu", ["c"], ["d"]),
    ]
    model = helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:]))
    named(model)
    assert [node.name for node in model.graph.node] == ["same", "Relu.1", "Relu.2"]
    for change in (lambda: halved(model.SerializeToString()), lambda: tail(model)):
        with pytest.raises(ModelError, match="no convolution"):
            change()


@pytest.mark.slow
def test_an_onnx_file_that_is_quantised_is_int8_as_it_is(
    tiny_module: nn.Module, pictures: NDArray[np.float32], tmp_path: Path
) -> None:
    path = tmp_path / "int8.onnx"
    path.write_bytes(quantised(to_onnx(tiny_module, SIZE), pictures[:4], symmetric=False))  # type: ignore[arg-type]
    model = find_model(str(path))
    assert prepare(model, SIZE, INT8).data == path.read_bytes()
    with pytest.raises(UsageError, match="computes in int8 already; measure it with precision int8, not float32"):
        prepare(model, SIZE, LatencySettings())


@pytest.mark.slow
def test_what_cannot_be_quantised(pictures: NDArray[np.float32], tiny_module: nn.Module) -> None:
    with pytest.raises(ModelError, match="cannot be quantised"):
        quantised(b"no model", pictures, symmetric=False)
    for missing in (None, pictures[:0]):
        with pytest.raises(UsageError, match="needs pictures"):
            prepare(tiny_module, IMGSZ, INT8, missing)


def test_a_checkpoint_is_the_module_and_the_same_bytes_each_time(trained: nn.Module, tmp_path: Path) -> None:
    data = to_pt(trained)  # type: ignore[arg-type]
    assert to_pt(trained) == data  # type: ignore[arg-type]
    picture = torch.from_numpy(image(SIZE))
    with torch.inference_mode():
        expected = trained.eval()(picture)[0]
        assert torch.allclose(from_pt(data)(picture)[0], expected, atol=1e-3)
        path = tmp_path / "model.pt"
        path.write_bytes(data)
        assert torch.allclose(load_model(path)(picture)[0], expected, atol=1e-3)
    with pytest.raises(LatencyError, match="cannot load"):
        from_pt(data[: len(data) // 2])


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_has_a_file(runtime: str, tiny_module: nn.Module) -> None:
    if runtime == "ncnn":
        pytest.importorskip("pnnx")
    device = "cuda:0" if runtime in ("tensorrt", "torch-cudagraph") else "cpu"
    first, second = (prepare(tiny_module, IMGSZ, LatencySettings(runtime, device=device)) for _ in range(2))
    assert first.kind == TAKES[runtime]
    assert first.digest == second.digest
    assert first != ModelBytes(first.kind, first.data + b" ")


def test_a_models_file_is_read_back(tiny: SizedModel, tmp_path: Path) -> None:
    for kind in ("onnx", "pt", "ncnn"):
        model = ModelBytes(kind, tiny.model.data)
        path = tmp_path / f"model{model.suffix}"
        path.write_bytes(model.data)
        assert ModelBytes.from_file(path) == model
    with pytest.raises(ModelError, match=r"must be a \.onnx, \.pt, \.ncnn file"):
        ModelBytes.from_file(tmp_path / "model.yaml")
    with pytest.raises(ModelError, match="cannot read"):
        ModelBytes.from_file(tmp_path / "gone.onnx")


@pytest.mark.slow
def test_a_users_onnx_file_is_taken_as_it_is(tiny_onnx: Path) -> None:
    model = find_model(str(tiny_onnx))
    assert prepare(model, IMGSZ, LatencySettings()).data == tiny_onnx.read_bytes()
    with pytest.raises(UsageError, match=r"measures a \.yaml or \.pt file"):
        prepare(model, IMGSZ, LatencySettings("torch"))
    assert prepare(model, IMGSZ, INT8, image(IMGSZ)).data != tiny_onnx.read_bytes()


def test_ncnns_files_as_one() -> None:
    model = NcnnModel(b"graph", b"weights", 96)
    assert unpack(pack(model)) == model
    assert pack(model) == pack(model)
    with pytest.raises(LatencyError, match="no zip of"):
        unpack(b"weights")
    empty = io.BytesIO()
    __import__("zipfile").ZipFile(empty, "w").close()
    with pytest.raises(LatencyError, match="no zip of"):
        unpack(empty.getvalue())


def test_pnnx_says_what_it_cannot_convert() -> None:
    pytest.importorskip("pnnx")
    from nas.latency.artifacts.ncnn_file import to_ncnn

    with pytest.raises(ModelError, match="pnnx"):
        to_ncnn(b"no model", IMGSZ, half=False)


def test_differences() -> None:
    one, ten = np.float32([[1.0]]), np.float32([[10.0]])
    assert relative_difference(ten + 1, ten) == pytest.approx(0.1)
    assert relative_difference(one * np.nan, one) == np.inf
    shifts = iter([0.0, 0.3, 0.2])
    pictures = np.zeros((3, 3, 8, 8), dtype=np.float32)
    assert difference(lambda batch: one + np.float32(next(shifts)), lambda batch: one, pictures) == pytest.approx(0.3)
    with pytest.raises(ModelError, match="shape"):
        difference(lambda batch: batch, lambda batch: one, pictures)


def test_a_graph_that_is_there_is_not_exported_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> bytes:
        raise AssertionError("exported again")

    monkeypatch.setattr("nas.model.onnx.to_onnx", never)
    assert prepare(torch.nn.Identity(), 96, LatencySettings(), onnx=b"a graph").data == b"a graph"
