"""The work of a graph against closed forms on graphs small enough to count by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from nas.errors import ModelError
from nas.latency.predictor.features import NAMES, Features, graph_features
from nas.latency.predictor.graph_ops import operations


def graph(nodes: Sequence[Any], weights: dict[str, tuple[int, ...]], shape: Sequence[Any], output: str) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, list(shape))],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            [numpy_helper.from_array(rng.random(dims, dtype=np.float32), name) for name, dims in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    return bytes(model.SerializeToString())


def conv(kernel: tuple[int, ...], channels: int, group: int = 1, side: int = 8) -> bytes:
    from onnx import helper

    node = helper.make_node(
        "Conv", ["images", "w"], ["y"], group=group, kernel_shape=list(kernel[2:]), pads=[kernel[2] // 2] * 4
    )
    return graph([node], {"w": kernel}, (1, channels, side, side), "y")


def test_a_dense_convolution() -> None:
    (node,) = operations(conv((32, 16, 3, 3), 16))
    assert (node.kind, node.whole) == ("conv", True)
    assert node.macs == 32 * 16 * 9 * 64
    assert (node.read, node.written, node.weights) == (16 * 64, 32 * 64, 32 * 16 * 9)


def test_output_channels_are_rounded_up_to_whole_vectors() -> None:
    (node,) = operations(conv((20, 16, 1, 1), 16))
    assert (node.kind, node.whole) == ("pointwise", False)
    assert node.macs == 32 * 16 * 64


def test_a_depthwise_convolution() -> None:
    (node,) = operations(conv((24, 1, 3, 3), 24, group=24))
    assert (node.kind, node.whole) == ("depthwise", False)
    assert node.macs == 32 * 9 * 64


def test_padding_counts_the_input_channels_that_fill_a_vector() -> None:
    amounts = graph_features(conv((16, 8, 1, 1), 8)).to_dict()
    assert amounts["pointwise macs"] == 16 * 8 * 64
    assert amounts["pointwise padding"] == 16 * 8 * 64  # 8 channels more to reach 16
    assert amounts["convolutions, ragged"] == 1


def test_the_picture_is_no_ragged_input() -> None:
    assert graph_features(conv((16, 3, 3, 3), 3)).to_dict()["conv macs, ragged inputs"] == 0
    assert graph_features(conv((16, 5, 3, 3), 5)).to_dict()["conv macs, ragged inputs"] == 16 * 5 * 9 * 64


def test_a_map_narrower_than_six_leaves_work_idle() -> None:
    wide, narrow = (graph_features(conv((16, 16, 3, 3), 16, side=side)).to_dict() for side in (6, 5))
    assert wide["conv macs, narrow map"] == 0
    assert narrow["conv macs, narrow map"] == narrow["conv macs"] == 16 * 16 * 9 * 25


def test_weights_beyond_the_caches() -> None:
    amounts = graph_features(conv((512, 512, 3, 3), 512, side=4)).to_dict()
    assert amounts["convolution weights"] == 512 * 512 * 9
    assert amounts["convolution weights, uncached"] == 512 * 512 * 9 - 2**16
    assert amounts["all weights, uncached"] == 512 * 512 * 9 - 1_500_000
    assert graph_features(conv((16, 16, 3, 3), 16)).to_dict()["all weights, uncached"] == 0


def test_relu_is_free_and_silu_is_not() -> None:
    from onnx import helper

    relu = graph([helper.make_node("Relu", ["images"], ["y"])], {}, (1, 4, 8, 8), "y")
    assert not any(graph_features(relu).amounts)
    gate = [helper.make_node("Sigmoid", ["images"], ["s"]), helper.make_node("Mul", ["images", "s"], ["y"])]
    amounts = graph_features(graph(gate, {}, (1, 4, 8, 8), "y")).to_dict()
    assert amounts["sigmoid elements"] == 2 * 256
    assert amounts["elementwise elements"] == 3 * 256
    assert amounts["other nodes"] == 2


def test_a_whole_detector_is_counted(tiny_onnx: Any) -> None:
    amounts = graph_features(tiny_onnx.read_bytes()).to_dict()
    macs = amounts["conv macs"] + amounts["pointwise macs"] + amounts["depthwise macs"]
    # YOLO11n: 6.5 GFLOPs at 640 px are 32.5 million multiply-adds at 64 px; rounding up to vectors adds some, and the
    # rewriting takes some away.
    assert 31e6 < macs < 35e6
    for name in ("softmax elements", "resize elements", "concat elements", "split elements", "transpose elements"):
        assert amounts[name] > 0, name


def test_features_survive_json() -> None:
    found = graph_features(conv((16, 8, 1, 1), 8))
    assert Features.from_dict(found.to_dict()) == found
    with pytest.raises(ValueError, match="another version"):
        Features.from_dict({NAMES[0]: 1.0})


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot read the ONNX graph"):
        graph_features(b"not a model")


def test_a_free_size_is_refused() -> None:
    from onnx import helper

    free = graph([helper.make_node("Sigmoid", ["images"], ["y"])], {}, (1, 4, "height", 8), "y")
    with pytest.raises(ModelError, match="needs fixed sizes"):
        graph_features(free)
