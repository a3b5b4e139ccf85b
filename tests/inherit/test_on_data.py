"""What pictures add: importance on them, statistics, and the repair."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn

from nas.data import DetectionData
from nas.inherit import choose_channels
from nas.inherit.child import inherit
from nas.inherit.importance import norms, of_spaces
from nas.inherit.new_classes import trained_classes
from nas.inherit.on_data import calibrate, repair_images, sample_of, take_classes
from nas.inherit.repair import refit
from nas.inherit.roles import describe
from nas.inherit.taylor import taylor
from nas.space.reference_designs import yolo11

from ..proxy.conftest import small_data  # noqa: F401  (a fixture)
from .conftest import detector


@pytest.fixture(scope="module")
def pictures(small_data: DetectionData):  # type: ignore[no-untyped-def]  # noqa: F811
    return sample_of(small_data, 64)


@pytest.fixture(scope="module")
def source(small_data: DetectionData, pictures):  # type: ignore[no-untyped-def]  # noqa: F811
    model = detector(yolo11("n", 64, 0.25), 6).float()
    model.names = {number: name.upper() for number, name in enumerate(small_data.names[:3])}  # type: ignore[assignment]
    assert take_classes(model, small_data.names) == 3
    calibrate(model, pictures)
    return model


@pytest.mark.slow
def test_a_channel_that_nobody_reads_is_worth_nothing(source: nn.Module, pictures) -> None:  # type: ignore[no-untyped-def]
    model = deepcopy(source)
    with torch.no_grad():
        model.model[3].conv.weight[:, 5] = 0  # type: ignore[index]
    before = deepcopy(model.state_dict())
    table = describe(model)
    with trained_classes(model, pictures, steps=2):
        assert not torch.equal(model.model[-1].cv3[0][-1].bias, before["model.23.cv3.0.2.bias"])  # type: ignore[index]
        found = taylor(table, model, pictures)
    assert found.pictures == len(pictures)
    scores = of_spaces(table, found.scores)
    assert scores["P2.block"][5] == 0 and (scores["P2.block"] > 0).sum() == len(scores["P2.block"]) - 1
    assert found.scores.keys() >= {layer.role for layer in table.layers if not layer.role.endswith(".out")}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training and not model.model[0]._forward_hooks  # type: ignore[index]


@pytest.mark.slow
def test_branches_without_nms_are_scored_too(source: nn.Module, pictures) -> None:  # type: ignore[no-untyped-def]
    model = detector(replace(yolo11("n", 64, 0.25), end2end=True), 6).float()
    calibrate(model, pictures)
    table = describe(model)
    with trained_classes(model, pictures, steps=1):
        scores = taylor(table, model, pictures, lambda: 1e9).scores
    branches = [role for role in scores if "one_to_one" in role]
    assert len(branches) == 3 * 8
    # Boxes have a loss at levels alone at which an object was assigned.
    assert all(scores[role].sum() > 0 for role in branches if "classes" in role)
    assert any(scores[role].sum() > 0 for role in branches if "boxes" in role)


@pytest.mark.slow
def test_the_importance_stops_after_forty_seconds_but_not_before_32_pictures(source: nn.Module, pictures) -> None:  # type: ignore[no-untyped-def]
    table = describe(source)
    for seconds, wanted in ((100.0, 32), (15.0, 64)):
        ticks = iter(range(100))
        assert taylor(table, source, pictures, lambda: next(ticks) * seconds).pictures == wanted  # noqa: B023


@pytest.mark.slow
def test_a_repair_finds_what_the_channels_that_are_left_can_do(  # type: ignore[no-untyped-def]
    source: nn.Module, pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every channel of the wide net is there twice, so that half of them can do all that it does; only the weights of
    # whatever reads them have to be added up.
    wide = detector(yolo11("n", 64, 0.5), 6, seed=1).float()
    table = describe(source)
    inherit(table, wide, norms(table), range(6))
    calibrate(wide, pictures)
    monkeypatch.setattr(choose_channels, "best", lambda scores, count: torch.arange(count))
    table, images, errors = describe(wide), repair_images(pictures), []
    for repaired in (False, True):
        child = detector(yolo11("n", 64, 0.25), 6, seed=2).float()
        done = inherit(table, child, norms(table), range(6))
        if repaired:
            refit(done.counterparts, wide, child, images)
        calibrate(child, pictures)
        with torch.no_grad():
            errors.append(float((hidden(child, images) - hidden(wide, images)).square().mean()))
    assert errors[1] < 0.5 * errors[0]


def hidden(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The first channels of P4's map in the backbone, which are the same in both nets."""
    out = images
    for row in model.model[:7]:  # type: ignore[index]
        out = row(out)
    return out[:, :32]


@pytest.mark.slow
def test_a_repair_of_the_source_itself_changes_nothing(source: nn.Module, pictures) -> None:  # type: ignore[no-untyped-def]
    images = repair_images(pictures)
    model = deepcopy(source)
    refit([], source, model, images)  # nothing is fitted: the statistics are those of these pictures
    table, child = describe(model), detector(yolo11("n", 64, 0.25), 6, seed=3).float()
    done = inherit(table, child, norms(table), range(6))
    refit(done.counterparts, model, child, images)
    with torch.no_grad():
        torch.testing.assert_close(child(images)[0], model(images)[0], atol=1e-2, rtol=1e-3)
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in (*model.modules(), *child.modules()))
