"""Building, counting, fusing and exporting real models."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import ultralytics
from ultralytics.nn.modules.conv import Conv
from ultralytics.utils.torch_utils import get_flops

from nas.architecture.architecture import Architecture, Stage
from nas.architecture.ultralytics_yaml import to_yaml
from nas.errors import ModelError
from nas.model import complexity
from nas.model.builder import build, fused, load_model
from nas.model.complexity import count
from nas.model.onnx import to_onnx
from tests.architecture.test_ultralytics_yaml import yolo11

STAGE = Stage("ghost", 32, 1, 2, 5, 2, True, "ghost")
ARCH = Architecture(64, "relu", 8, (STAGE, STAGE, STAGE, STAGE), 16, 16, 24, 4)


@pytest.mark.parametrize(
    ("space", "n"),
    [
        ("ghostv2-n", 2),
        *(
            pytest.param(name, 10, marks=pytest.mark.slow)
            for name in (
                "ghostv2-n",
                "mixed-n",
                "ghostv2-s",
                "ghostv2-m",
                "mixed-s",
                "narrowed-n",
                "narrowed-s",
                "narrowed-m",
            )
        ),
    ],
)
def test_samples_of_each_space_build_train_export_and_run(space: str, n: int) -> None:
    from benchmarks.models import build_all

    for arch in build_all.architectures(space, n, seed=1):
        build_all.check(arch, imgsz=64)


def test_one_seed_one_model_and_the_global_generator_untouched() -> None:
    text = to_yaml(ARCH, 4)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second, other = build(text, seed=1), build(text, seed=1), build(text, seed=2)
    assert torch.equal(torch.rand(3), expected)
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.model[0].conv.weight, other.model[0].conv.weight)
    assert first.training and next(first.parameters()).dtype == torch.float32


def test_nc_overrides_the_yaml() -> None:
    model = build(to_yaml(ARCH, 4), nc=7)
    assert model.model[-1].nc == 7 == model.yaml["nc"] and len(model.names) == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nc: [", "cannot be parsed"),
        ("just text", "must have the keys nc, backbone and head"),
        ("nc: 3", "must have the keys"),
        ("nc: 3\nbackbone: [[-1, 1, NoSuchModule, [8]]]\nhead: []", "NoSuchModule"),
        ("nc: 3\nbackbone: [[-1, 1, Conv, [8]]]\nhead: []", "must end in a detection head, got Conv"),
        (to_yaml(ARCH, 4).replace("3, 5, 2, 0.25", "3, 4, 2, 0.25"), "DFC kernel must be odd, got 4"),
    ],
)
def test_bad_yaml_is_a_model_error(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build(text)
    assert isinstance(Conv.default_act, torch.nn.SiLU)


def test_a_failed_build_does_not_leak_its_activation() -> None:
    broken = to_yaml(ARCH, 4).replace("SlimDetect", "NoSuchModule")
    with pytest.raises(ModelError):
        build(broken)
    assert isinstance(Conv.default_act, torch.nn.SiLU)


@pytest.mark.slow
def test_threads_do_not_mix_activations_or_seeds() -> None:
    texts = [to_yaml(replace(ARCH, activation=act), 4) for act in ("relu", "silu", "hardswish")]
    alone = [build(text, seed=3) for text in texts]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda text: build(text, seed=3), texts * 2))
        graphs = list(pool.map(lambda model: to_onnx(model, 64), together[:2]))
    for index, model in enumerate(together):
        reference = alone[index % 3]
        assert type(model.model[0].act) is type(reference.model[0].act)
        assert torch.equal(model.model[-1].cv2[0][0].conv.weight, reference.model[-1].cv2[0][0].conv.weight)
    assert graphs == [to_onnx(model, 64) for model in alone[:2]]


def test_fused_is_a_copy_with_the_same_outputs() -> None:
    model = build(to_yaml(ARCH, 4), seed=0)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
    deployed = fused(model)
    x = torch.rand(1, 3, 64, 64)
    assert model.training and not deployed.training
    assert not [m for m in deployed.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert not any(p.requires_grad for p in deployed.parameters())
    with torch.no_grad():
        torch.testing.assert_close(deployed(x)[0], model.eval()(x)[0], atol=1e-4, rtol=1e-4)
    again = fused(deployed)
    with torch.no_grad():
        assert torch.equal(again(x)[0], deployed(x)[0])


def test_a_batch_norm_that_cannot_be_folded_is_refused() -> None:
    model = build(to_yaml(ARCH, 4))
    model.model[0].add_module("extra", torch.nn.BatchNorm2d(8))
    with pytest.raises(ModelError, match=r"model\.0\.extra"):
        fused(model)


def test_count_is_at_the_real_size_and_says_its_rule() -> None:
    model = build(to_yaml(ARCH, 4))
    small, large = count(model, 64), count(model, 128)
    assert small.params == large.params == sum(p.numel() for p in fused(model).parameters())
    assert 3.5 < large.gflops / small.gflops < 4.1
    assert "fused model at 64x64" in small.rule and "ultralytics-thop" in small.rule
    assert ultralytics.__version__ in small.rule
    assert large.gflops == pytest.approx(get_flops(fused(model), 128), rel=0.05)


def test_a_count_of_zero_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(complexity.thop, "profile", lambda *_, **__: (0.0, 0.0))
    with pytest.raises(ModelError, match="ultralytics-thop"):
        count(build(to_yaml(ARCH, 4)), 64)


@pytest.mark.parametrize(
    ("activation", "imgsz"),
    [
        ("silu", 96),
        pytest.param("relu", 160, marks=pytest.mark.slow),
        pytest.param("hardswish", 224, marks=pytest.mark.slow),
    ],
)
def test_onnx_equals_torch(activation: str, imgsz: int) -> None:
    odd = replace(STAGE, dfc_pool=4, downsample="conv")
    arch = replace(ARCH, activation=activation, stages=(STAGE, Stage("c3k2", 32, 1), odd, odd), reg_max=1)
    model = build(to_yaml(arch, 4), seed=0)
    session = onnxruntime.InferenceSession(to_onnx(model, imgsz), providers=["CPUExecutionProvider"])
    (given,), (result,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape, given.type) == ("images", [1, 3, imgsz, imgsz], "tensor(float)")
    x = torch.rand(1, 3, imgsz, imgsz)
    (out,) = session.run(None, {"images": x.numpy()})
    assert result.shape == list(out.shape)
    with torch.no_grad():
        np.testing.assert_allclose(out, model.eval()(x)[0].numpy(), atol=1e-3, rtol=1e-3)
    assert model.model[-1].export is False, "the model itself must stay as it was"


def test_load_model_knows_files_and_stock_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = to_yaml(ARCH, 4)
    (tmp_path / "best.yaml").write_text(text)
    assert load_model("best.yaml", nc=2).model[-1].nc == 2
    ours = sum(p.numel() for p in build(to_yaml(yolo11("n"))).parameters())
    assert sum(p.numel() for p in load_model("yolo11n.yaml").parameters()) == ours
    # Ultralytics would take the m of this name for a scale and change the C3k2 rows.
    (tmp_path / "yolo11m-ghost.yaml").write_text(text)
    with pytest.raises(ModelError, match="rename the file"):
        load_model("yolo11m-ghost.yaml")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.yaml", "no model file 'nowhere.yaml'"),
        ("folder/yolo11n.yaml", "no model file"),
        ("yolo11n.pt", "nothing is downloaded"),
        ("model.onnx", r"must be a \.yaml or \.pt file"),
        ("yolo11n-seg.yaml", "must end in a detection head, got Segment"),
        ("coco8.yaml", "must have the keys"),
    ],
)
def test_load_model_refuses(name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=message):
        load_model(name)


def test_load_model_refuses_a_broken_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match="not a readable checkpoint"):
        load_model(path)
