"""The lossless inference graph: equal outputs, and less in the graph."""

import types
from collections import Counter
from dataclasses import replace
from typing import Any

import onnx
import pytest
import torch
from torch import nn
from ultralytics.nn.tasks import DetectionModel

from nas.architecture.ultralytics_yaml import to_yaml
from nas.blocks.bottleneck import GhostBottleneckV2
from nas.latency.outputs import relative_difference
from nas.model import rewrite
from nas.model.builder import build, fused, load_model
from nas.model.onnx import deployable, to_onnx
from nas.model.rewrite import ghost
from nas.model.rewrite.cross_stage import CrossStage
from nas.model.rewrite.dfl import ExpectedDistance
from nas.model.rewrite.ghost import HalvedBottleneck
from nas.model.rewrite.split_convs import JoinedConv
from nas.model.standalone import standalone_module
from nas.space.literals import shipped_literals
from nas.space.reference_designs import yolo11
from tests.blocks.reference import randomise_batch_norm

IMGSZ = 96


def literal(name: str) -> DetectionModel:
    model = build(shipped_literals()[name].path.read_text(encoding="utf-8"), nc=3, seed=0)
    randomise_batch_norm(model)
    return model.eval()


def same(model: DetectionModel) -> DetectionModel:
    """Check that outputs stay in double precision; the rewritten model."""
    randomise_batch_norm(model)
    model.eval().double()
    lean = deployable(model, IMGSZ)
    picture = torch.rand(1, 3, IMGSZ, IMGSZ, dtype=torch.float64)
    with torch.no_grad():
        assert relative_difference(lean(picture)[0].numpy(), fused(model)(picture)[0].numpy()) < 1e-10
    return lean


def kinds(model: nn.Module) -> Counter[type]:
    return Counter(type(module) for module in model.modules() if type(module).__module__.startswith(rewrite.__name__))


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        ("yolo11-n", 0),
        ("ghostnetv2-n", 8),
        *(
            pytest.param(name, inner, marks=pytest.mark.slow)
            for name, inner in {"ghostnet-n": 8, "ghostnetv3-n": 8, "ghostnetv2-1.0x": 16, "slim-neck-n": 0}.items()
        ),
    ],
)
def test_outputs_stay(name: str, inner: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ghost, "LARGE", 0)
    model = literal(name).double()  # the rounding of single precision would hide a small error
    plain = fused(model)
    for imgsz in (IMGSZ, 160):  # the deepest maps are odd
        lean = deployable(model, imgsz)
        picture = torch.rand(2, 3, imgsz, imgsz, dtype=torch.float64)
        with torch.no_grad():
            assert relative_difference(lean(picture)[0].numpy(), plain(picture)[0].numpy()) < 1e-10
    found = kinds(lean)
    assert found[HalvedBottleneck] == inner and found[ExpectedDistance] == 1 and found[CrossStage] >= 4


VARIANTS: dict[str, dict[str, Any]] = {
    "no NMS": {"end2end": True, "box_width": 16},
    "MBConv head, no bins": {"head": "mbconv", "reg_max": 1, "box_width": 16},
    "AFPN with P2": {"neck": "afpn", "levels": "P2-P4"},
    "Slim Neck, P3 and P4": {"neck": "slim", "levels": "P3-P4"},
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "AFPN with P2" else pytest.mark.slow) for name in VARIANTS]
)
def test_outputs_of_other_necks_and_heads_stay(name: str) -> None:
    model = build(to_yaml(replace(yolo11("n", IMGSZ), **VARIANTS[name]), 3), seed=0)
    same(model)


# Rows 10 to 12 of YOLO11's YAML: what stands before the joined 1x1.
_OTHERWISE = {
    "the enlarged map last": ("[[-1, 6], 1, Concat, [1]]", "[[6, -1], 1, Concat, [1]]"),
    "a source told from behind": ("[[-1, 6], 1, Concat, [1]]", "[[-1, -6], 1, Concat, [1]]"),
    "three maps": ("[[-1, 6], 1, Concat, [1]]", "[[-1, 6, 5], 1, Concat, [1]]"),
    "another enlarging": ('[None, 2, "nearest"]', '[None, 2, "bilinear"]'),
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if "last" in case else pytest.mark.slow) for case in _OTHERWISE]
)
def test_outputs_of_models_that_join_otherwise_stay(case: str) -> None:
    before, after = _OTHERWISE[case]
    text = shipped_literals()["yolo11-n"].path.read_text(encoding="utf-8")
    assert before in text
    model = build(text.replace(before, after), nc=3, seed=0)
    assert kinds(same(model))[CrossStage] == 9


@pytest.mark.slow
def test_outputs_of_other_stock_models_stay() -> None:
    same(load_model("yolov8n.yaml"))


@pytest.mark.slow
def test_blocks_that_a_bundle_brought_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ghost, "LARGE", 0)
    module = types.ModuleType("ghost_blocks")
    exec(standalone_module(("GhostBottleneckV2",)), module.__dict__)
    model = literal("ghostnetv2-n")
    foreign = module.__dict__["GhostBottleneckV2"]
    for block in model.modules():
        if isinstance(block, GhostBottleneckV2):
            block.__class__ = foreign
    assert kinds(deployable(model, IMGSZ))[HalvedBottleneck] == 8


def test_only_large_inner_maps_stay_in_halves() -> None:
    model = literal("ghostnetv2-n")
    assert kinds(deployable(model, 96))[HalvedBottleneck] == 0
    at_320 = kinds(deployable(model, 320))[HalvedBottleneck]
    assert 0 < at_320 < 8


def test_surplus_channels_are_not_torn_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ghost, "LARGE", 0)
    text = shipped_literals()["ghostnetv2-n"].path.read_text(encoding="utf-8")
    # Hidden channels 191: primary 96, cheap 96, one too many.
    model = build(text.replace("[64, 192, 1, 3, 0, 1, 0.0]", "[64, 191, 1, 3, 0, 1, 0.0]"), nc=3, seed=0).eval()
    assert kinds(deployable(model, IMGSZ))[HalvedBottleneck] == 7


def test_the_graph_has_no_cut_and_no_concat_with_an_enlarged_map() -> None:
    model = literal("yolo11-n")
    graph = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(to_onnx(model, IMGSZ))).graph
    made = {name: node for node in graph.node for name in node.output}
    joined = [
        made[name].op_type for node in graph.node if node.op_type == "Concat" for name in node.input if name in made
    ]
    assert joined and "Resize" not in joined
    cuts = [node for node in graph.node if node.op_type == "Split"]
    assert len(cuts) == 1  # query, key and value of the attention
    assert not [node for node in graph.node if node.op_type == "Transpose" and "dfl" in node.name]


def test_it_leaves_the_model_and_maps_that_others_read() -> None:
    text = shipped_literals()["yolo11-n"].path.read_text(encoding="utf-8")
    # The head reads a concat and an enlarged map, too: both must stay.
    concat = build(text.replace("[[16, 19, 22], 1, Detect", "[[16, 12, 22], 1, Detect"), nc=3, seed=0).eval()
    enlarged = build(text.replace("[[16, 19, 22], 1, Detect", "[[14, 19, 22], 1, Detect"), nc=3, seed=0).eval()
    for model in (concat, enlarged):
        before = {name: value.clone() for name, value in model.state_dict().items()}
        picture = torch.rand(1, 3, IMGSZ, IMGSZ)
        with torch.no_grad():
            expected = fused(model)(picture)[0].numpy()
            assert relative_difference(deployable(model, IMGSZ)(picture)[0].numpy(), expected) < 1e-5
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("sizes", [(6, 6), (3, 6), (2, 5)])
def test_a_sum_of_convolutions_is_the_convolution_of_the_concat(sizes: tuple[int, int]) -> None:
    conv = nn.Conv2d(12, 8, 1)
    maps = [torch.rand(2, width, size, size) for width, size in zip((5, 7), sizes, strict=True)]
    joined = torch.cat([nn.functional.interpolate(one, size=sizes[-1:] * 2, mode="nearest") for one in maps], 1)
    lean = JoinedConv(conv, nn.SiLU(), (5, 7), slice(2, 6))
    torch.testing.assert_close(lean(*maps), nn.functional.silu(conv(joined))[:, 2:6])
