"""A teacher changes what is learnt; what cannot be used is one message."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from nas.architecture.ultralytics_yaml import to_yaml
from nas.data import DetectionData
from nas.errors import GhostnasError, ModelError, UsageError
from nas.proxy import ProxySettings, train_proxy
from nas.space.reference_designs import yolo11
from tests.proxy.conftest import MakeModel

FEW = ProxySettings(steps=3, batch=8, recalibration=16, precision="float32")


@pytest.fixture
def checkpoint(make_model: MakeModel, tmp_path: Path) -> Path:
    """A checkpoint as Ultralytics writes it, of a net as wide as `make_model` makes them, with other weights."""
    path = tmp_path / "known.pt"
    torch.save({"model": make_model(seed=7).half(), "epoch": -1, "train_args": {}}, path)
    return path


def values(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


@pytest.mark.slow
def test_a_teacher_changes_what_is_learnt(
    small_data: DetectionData, make_model: MakeModel, checkpoint: Path, tmp_path: Path
) -> None:
    models = []
    for settings in (FEW, replace(FEW, teacher=str(checkpoint))):
        result, model = train_proxy(make_model(seed=1), small_data, 64, settings)
        assert result.train_loss > 0
        models.append(model)
    alone, taught = map(values, models)
    assert alone.keys() == taught.keys()  # nothing of the teacher stays in the model
    stem = "model.0.conv.weight"
    assert not torch.equal(alone[stem], taught[stem])
    assert not models[1].model[16]._forward_hooks  # type: ignore[index,union-attr]


def test_a_teacher_with_other_strides_is_refused(
    small_data: DetectionData, make_model: MakeModel, checkpoint: Path
) -> None:
    from nas.model.builder import build

    two = replace(yolo11("n", 64, 0.0625), levels="P3-P4")
    model = build(to_yaml(two, 6), seed=0)
    with pytest.raises(UsageError, match=r"strides \[8, 16, 32\], the design at \[8, 16\]"):
        train_proxy(model, small_data, 64, replace(FEW, teacher=str(checkpoint)))


def test_what_is_no_checkpoint_is_told(small_data: DetectionData, make_model: MakeModel, tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    other.write_text("not a checkpoint")
    design = tmp_path / "design.yaml"
    design.write_text(to_yaml(yolo11("n", 64, 0.0625), 6))  # would be built with random weights
    for path in (other, tmp_path / "missing.pt", design):
        with pytest.raises(ModelError, match=path.name) as caught:
            train_proxy(make_model(), small_data, 64, replace(FEW, teacher=str(path)))
        assert isinstance(caught.value, GhostnasError)
