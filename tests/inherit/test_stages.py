"""Blocks of another family: which stages of a source they correspond to, and that they learn what those do."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from nas.architecture.architecture import Architecture
from nas.data import DetectionData
from nas.data.image_cache import Pixels
from nas.errors import ModelError
from nas.inherit import choose_channels
from nas.inherit.child import inherit
from nas.inherit.importance import norms
from nas.inherit.on_data import calibrate, repair_images, sample_of
from nas.inherit.roles import describe
from nas.inherit.stages import teach
from nas.inherit.transfer import Transfer
from nas.space.reference_designs import yolo11

from ..proxy.conftest import small_data  # noqa: F401  (a fixture)
from .conftest import detector

QUARTER = yolo11("n", 64, 0.25)


@pytest.fixture(scope="module")
def pictures(small_data: DetectionData) -> Pixels:  # noqa: F811
    return sample_of(small_data, 64)


@pytest.fixture(scope="module")
def source(pictures: Pixels) -> nn.Module:
    model = detector(yolo11("n", 64, 0.5), 6).float()
    calibrate(model, pictures)
    return model


def with_stage(level: int, arch: Architecture = QUARTER, **changes: Any) -> Architecture:
    stages = list(arch.stages)
    stages[level] = replace(stages[level], **changes)
    return replace(arch, stages=tuple(stages)).canonical()  # type: ignore[arg-type]


GHOST = {"block": "ghost", "expansion": 2.0}
P4_GHOST = with_stage(2, **GHOST)
BOTH_GHOST = with_stage(1, with_stage(2, **GHOST, downsample="ghost"), **GHOST, depth=2)


def child_of(source: nn.Module, arch: Architecture) -> tuple[nn.Module, Transfer]:
    table, child = describe(source), detector(arch, 6, seed=3).float()
    return child, inherit(table, child, norms(table), range(6))


@pytest.mark.parametrize(
    ("arch", "pairs"),
    [
        (QUARTER, {}),
        (P4_GHOST, {"P4.down P4.block": ("P4.down", "P4.block.cv2")}),
        (with_stage(2, **GHOST, downsample="ghost"), {"P4.down P4.block": ("P4.down", "P4.block.cv2")}),
        (with_stage(2, downsample="ghost"), {"P4.down": ("P4.down", "P4.down")}),
        (with_stage(3, block="mbconv", expansion=2.0), {"P5.down P5.block": ("P5.down", "P5.block.cv2")}),
        (with_stage(1, block="vanilla", kernel=7), {"P3.down P3.block": ("P3.down", "P3.block.cv2")}),
        (replace(QUARTER, neck="afpn"), {}),
        (
            replace(QUARTER, neck="slim"),
            {
                "neck.P3.top_down": ("neck.P3.top_down.cv1", "neck.P3.top_down.cv2"),
                "neck.P4.bottom_up": ("neck.P4.bottom_up.cv1", "neck.P4.bottom_up.cv2"),
            },
        ),
    ],
    ids=["no fresh block", "body", "body and down-sampler", "down-sampler", "MBConv", "Vanilla", "AFPN", "slim neck"],
)
def test_fresh_blocks_correspond_to_stages_of_the_source(
    source: nn.Module, arch: Architecture, pairs: dict[str, tuple[str, str]]
) -> None:
    _, done = child_of(source, arch)
    found = {" ".join(one.role for one in stage.members): (stage.first.role, stage.last.role) for stage in done.stages}
    assert found.items() >= pairs.items() and bool(found) == bool(pairs)
    for stage in done.stages:
        assert len(stage.read) == sum(part.width for part in stage.members[0].inputs)
        assert len(stage.written) == sum(part.width for part in stage.members[-1].outputs)
    beside = {one.layer.role for one in done.beside_stages()}
    assert beside == {one.layer.role for one in done.counterparts} - set(" ".join(found).split())


def state_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_taught_stage_is_nearer_to_the_source_and_nothing_else_changes(source: nn.Module, pictures: Pixels) -> None:
    before, global_state = state_of(source), torch.get_rng_state()
    child, done = child_of(source, BOTH_GHOST)
    untaught = state_of(child)
    taught = teach(done.stages, source, pictures, steps=12)
    assert [one.role for one in taught] == ["P4.block", "P3.block"]
    assert all(one.after < 0.95 * one.before for one in taught) and taught[0].after < 0.8 * taught[0].before
    inside = ("model.3.", "model.4.", "model.5.", "model.6.")  # P3 and P4: down-sampler and body
    moved = {name for name, value in child.state_dict().items() if not torch.equal(value, untaught[name])}
    assert moved and all(name.startswith(inside) for name in moved)
    assert same(state_of(source), before) and torch.equal(torch.get_rng_state(), global_state)
    hooked = [one for one in source.modules() if one._forward_hooks or one._forward_pre_hooks]
    assert not hooked and not any(one.training for stage in done.stages for one in stage.members[0].module.modules())


@pytest.mark.slow
def test_teaching_gives_the_same_bits_twice(source: nn.Module, pictures: Pixels) -> None:
    def taught(seed: int) -> dict[str, torch.Tensor]:
        child, done = child_of(source, P4_GHOST)
        teach(done.stages, source, pictures, steps=3, seed=seed)
        return state_of(child)

    first = taught(0)
    assert same(first, taught(0)) and not same(first, taught(1))


def test_a_design_without_fresh_stages_is_left_alone(source: nn.Module, pictures: Pixels) -> None:
    child, done = child_of(source, QUARTER)
    before = state_of(child)
    assert teach(done.stages, source, pictures) == () and same(state_of(child), before)


def test_a_stage_reads_and_writes_the_channels_that_were_taken(
    source: nn.Module, pictures: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = torch.Generator().manual_seed(9)
    with monkeypatch.context() as patch:
        patch.setattr(
            choose_channels, "best", lambda scores, count: torch.randperm(len(scores), generator=random)[:count]
        )
        child, done = child_of(source, with_stage(2, yolo11("n", 64, 0.5), **GHOST, downsample="ghost"))
    (stage,), seen = done.stages, dict[str, torch.Tensor]()
    stage.first.module.register_forward_pre_hook(lambda _, given: seen.update(read=given[0]))
    stage.last.module.register_forward_hook(lambda _, __, out: seen.update(written=out))
    images = repair_images(pictures)
    with torch.no_grad():
        expected = source(images)[0]
        seen |= {"read": seen["read"][:, stage.read], "written": seen["written"][:, stage.written]}
        known = dict(seen)
        # In place of the stage stands what it is to learn: then the child is the source.
        stage.members[0].module.register_forward_pre_hook(lambda _, given: seen.update(read=given[0]))
        stage.members[-1].module.register_forward_hook(lambda *_: known["written"])
        torch.testing.assert_close(child(images)[0], expected, atol=2e-3, rtol=1e-4)
    torch.testing.assert_close(seen["read"], known["read"], atol=1e-4, rtol=1e-3)
    for one in (stage.first.module, stage.last.module):
        one._forward_hooks.clear()
        one._forward_pre_hooks.clear()


def test_a_teaching_that_diverges_is_told(source: nn.Module, pictures: Pixels) -> None:
    broken = deepcopy(source)
    describe(broken).by_role()["P4.block.cv2"].norm.bias.data[:] = torch.nan
    _, done = child_of(source, P4_GHOST)
    stages = child_of(broken, P4_GHOST)[1].stages
    assert len(stages) == len(done.stages) == 1
    with pytest.raises(ModelError, match=r"^teaching P4\.block: .* step 1 of 2$"):
        teach(stages, broken, pictures, steps=2)
