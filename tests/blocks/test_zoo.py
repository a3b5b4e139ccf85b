"""Every block family in a whole detector: built, trained a step, fused, exported, saved and loaded."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ultralytics import YOLO

from nas.architecture.architecture import Stage
from nas.architecture.ultralytics_yaml import to_yaml
from nas.blocks.vanilla import AnnealedPair
from nas.latency import LatencySettings
from nas.latency.artifacts.int8 import quantised
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.latency.outputs import relative_difference
from nas.latency.predictor.features import graph_features
from nas.latency.runtimes.registry import is_installed, open_session
from nas.model.builder import build, fused, load_model
from nas.model.onnx import to_onnx
from nas.space.reference_designs import yolo11
from tests.blocks.reference import randomise_batch_norm

WIDTHS = {"n": (16, 32, 64, 128, 256), "s": (32, 64, 128, 256, 512), "m": (64, 128, 256, 512, 512)}

# Arguments after the output channels c, for a stride s.
FAMILIES = {
    "GhostNet": lambda c, s: f"GhostBottleneckV2, [{c}, {2 * c}, {s}, 3, 0, 1, 0.25]",
    "GhostNetV2": lambda c, s: f"GhostBottleneckV2, [{c}, {2 * c}, {s}, 3, 5, 2, 0.25]",
    "GhostNetV3": lambda c, s: f"GhostBottleneckV3, [{c}, {2 * c}, {s}, 3, 5, 2, 0.25]",
    "MobileNetV3": lambda c, s: f"MobileNetV3Block, [{c}, {3 * c}, {s}, 5]",
    "PP-LCNet": lambda c, s: f"LCNetBlock, [{c}, {s}, 5, 0.25]",
    "Fused-MBConv": lambda c, s: f"FusedMBConv, [{c}, {2 * c}, {s}]",
    "MBConv": lambda c, s: f"MBConv, [{c}, {3 * c}, {s}]",
    "VanillaNet": lambda c, s: f"VanillaBlock, [{c}, {s}]",
}

# YOLO11 with something else in place of its neck, head or stages.
VARIANTS: dict[str, dict[str, Any]] = {
    "Slim Neck": {"neck": "slim"},
    "Slim Neck without any C3k2": {"neck": "slim", "stages": (Stage("ghost", 32, 1, ratio=3, dfc_kernel=3),) * 4},
    "AFPN": {"neck": "afpn"},
    "AFPN, P2-P4": {"neck": "afpn", "levels": "P2-P4"},
    "AFPN, P3-P4": {"neck": "afpn", "levels": "P3-P4"},
    "PAN, P2-P4": {"levels": "P2-P4"},
    "PAN, P3-P4": {"levels": "P3-P4", "sppf": False, "c2psa": False},
    "MBConv head": {"head": "mbconv"},
    "NMS-free": {"end2end": True, "reg_max": 1, "box_width": 16},
    "NMS-free MBConv head": {"end2end": True, "head": "mbconv", "reg_max": 2},
}
DETECTORS = [*FAMILIES, *VARIANTS]


def detector(name: str, scale: str) -> str:
    """A YOLO11-like detector with backbone stages of two blocks of a family each, or a variant of YOLO11."""
    if name in VARIANTS:
        return to_yaml(replace(yolo11(scale, 64), **VARIANTS[name]), 3)
    block, widths = FAMILIES[name], WIDTHS[scale]
    stem, *stages = widths
    rows = [f"- [-1, 1, Conv, [{stem}, 3, 2]]"]
    rows += [f"- [-1, 1, {block(c, s)}]" for c in stages for s in (2, 1)]
    neck = f"""head:
- [-1, 1, nn.Upsample, [None, 2, nearest]]
- [[-1, 6], 1, Concat, [1]]
- [-1, 1, C3k2, [{stages[2]}, False]]
- [-1, 1, nn.Upsample, [None, 2, nearest]]
- [[-1, 4], 1, Concat, [1]]
- [-1, 1, C3k2, [{stages[1]}, False]]
- [[14, 11, 8], 1, Detect, [nc]]
"""
    return "\n".join(["nc: 3", "backbone:", *rows, neck])


def tensors(outputs: Any) -> Iterator[torch.Tensor]:
    """Boxes and scores of a head's training output."""
    for name, one in outputs.items():
        if name != "feats":
            yield from tensors(one) if isinstance(one, dict) else [one]


def _fast(name: str, scale: str) -> bool:
    # A family that merges layers; ghost designs of a space go the same way in tests/model. The slow run has the others,
    # the necks and the heads.
    return (name, scale) == ("VanillaNet", "n")


@pytest.mark.parametrize(
    ("family", "scale"),
    [
        pytest.param(name, scale, marks=[] if _fast(name, scale) else pytest.mark.slow)
        for name in DETECTORS
        for scale in WIDTHS
    ],
)
def test_it_trains_fuses_exports_and_survives_its_file(
    family: str, scale: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = build(detector(family, scale), seed=0)

    model.train()
    outputs = model(torch.rand(2, 3, 64, 64))
    sum(one.square().mean() for one in tensors(outputs)).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None and "dfl" not in name]
    assert not without, without

    randomise_batch_norm(model)
    model.eval()
    deployed = fused(model)
    for size in (64, 96):  # the deepest maps are 2x2 and 3x3
        picture = torch.rand(1, 3, size, size)
        with torch.no_grad():
            expected = model(picture)[0].numpy()
            assert relative_difference(deployed(picture)[0].numpy(), expected) < 1e-4
        graph = ModelBytes("onnx", to_onnx(model, size))
        assert graph_features(graph.data).amounts  # the latency predictor can read it
        for runtime in filter(is_installed, ("onnxruntime", "openvino")):
            with open_session(graph, size, LatencySettings(runtime)) as session:
                session.feed(picture.numpy())
                session.run()
                found = np.array(session.outputs()[0])
            assert relative_difference(found, expected) < 1e-4, runtime

    yolo = YOLO("yolo11n.yaml")
    yolo.model = model.half().float()  # a checkpoint holds halves
    yolo.save("best.pt")
    with torch.no_grad():
        torch.testing.assert_close(load_model("best.pt").eval()(picture)[0], model(picture)[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["AFPN", "Slim Neck", "NMS-free"])
def test_it_is_quantised(name: str) -> None:
    model = build(detector(name, "n"), seed=0)
    randomise_batch_norm(model)
    plain, pictures = to_onnx(model.eval(), 64), np.random.default_rng(0).random((4, 3, 64, 64), dtype=np.float32)
    scores = []
    for graph in (plain, quantised(plain, pictures, symmetric=False)):
        with open_session(ModelBytes("onnx", graph), 64, LatencySettings()) as session:
            session.feed(pictures[:1])
            session.run()
            found = np.array(session.outputs()[0])
        assert np.isfinite(found).all()
        scores.append(found[..., 4] if name == "NMS-free" else found[:, 4:])
    assert scores[0].shape == scores[1].shape and np.abs(scores[0] - scores[1]).mean() < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("family", DETECTORS)
def test_ghostnas_train_trains_it_on_real_pictures(family: str, bccd: Path, tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    (tmp_path / "model.yaml").write_text(detector(family, "n"))
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    words = [f"data={bccd}", "epochs=1", "imgsz=64", "batch=16", "workers=0", "device=cpu", "plots=False"]
    done = subprocess.run(
        [sys.executable, "-m", "nas", "train", "model.yaml", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (best,) = tmp_path.rglob("best.pt")
    slopes = [float(m.slope) for m in load_model(best).modules() if isinstance(m, AnnealedPair)]
    assert slopes == ([1.0] * 8 if family == "VanillaNet" else [])
