"""Channels are tied as the network ties them: what is inherited computes what the source computed."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from nas.architecture.architecture import Architecture
from nas.errors import ModelError
from nas.inherit import choose_channels
from nas.inherit.channel_spaces import Layer, Table, offsets
from nas.inherit.child import accounts, inherit
from nas.inherit.choose_channels import Selections, best_repeats
from nas.inherit.importance import norms
from nas.inherit.roles import describe
from nas.inherit.transfer import Transfer
from nas.space.reference_designs import yolo11

from .conftest import NC, detector, outputs, randomised

N, HALF = yolo11("n", 64), yolo11("n", 64, 0.5)


def child_of(source: nn.Module, arch: Architecture, classes: Any = range(NC)) -> tuple[nn.Module, Transfer]:
    table = describe(source)
    child = detector(arch, seed=3)
    return child, inherit(table, child, norms(table), list(classes))


def with_stages(arch: Architecture, **changes: Any) -> Architecture:
    p2, p3, p4, p5 = (replace(stage, **changes) for stage in arch.stages)
    return replace(arch, stages=(p2, p3, p4, p5))


def test_its_own_design_is_the_source(yolo11n: nn.Module) -> None:
    child, done = child_of(yolo11n, N)
    assert {entry.rule for entry in done.entries} == {"copied"}
    assert torch.equal(outputs(child), outputs(yolo11n))


def permuted(source: nn.Module, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """The source with the channels of every space in a random order."""
    random = torch.Generator().manual_seed(9)
    with monkeypatch.context() as patch:
        patch.setattr(
            choose_channels, "best", lambda scores, count: torch.randperm(len(scores), generator=random)[:count]
        )
        child, _ = child_of(source, N)
    return child


def test_any_order_of_the_channels_reproduces_the_source(yolo11n: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    child = permuted(yolo11n, monkeypatch)
    assert not torch.equal(child.model[4].cv2.conv.weight, yolo11n.model[4].cv2.conv.weight)  # type: ignore[index]
    torch.testing.assert_close(outputs(child), outputs(yolo11n), atol=1e-8, rtol=0)


def test_permuted_channels_of_the_source_give_the_same_child(
    yolo11n: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = yolo11("n", 64, 0.5)
    first, _ = child_of(yolo11n, half)
    second, _ = child_of(permuted(yolo11n, monkeypatch), half)
    torch.testing.assert_close(outputs(second), outputs(first), atol=1e-8, rtol=0)


def masked(source: nn.Module, child: nn.Module) -> nn.Module:
    """The source with every channel's output that the child does not have multiplied by 0."""
    source = deepcopy(source)
    table, design = describe(source), describe(child)
    selections, ours = Selections(table, norms(table)), design.by_role()
    for layer in table.layers:
        if layer.kind not in ("boxes", "classes"):
            mask = _mask(layer, ours[layer.role], selections)
            layer.module.register_forward_hook(lambda _, __, out, mask=mask: out * mask[:, None, None])
    return source


def _mask(layer: Layer, ours: Layer, selections: Selections) -> Tensor:
    mask = torch.zeros(layer.conv.out_channels)
    if layer.heads is not None and ours.heads is not None:
        mask[selections.of_heads(layer, ours.heads).rows] = 1
    else:
        for (begin, part), own in zip(offsets(layer.outputs), ours.outputs, strict=True):
            mask[begin + selections.of(part.space, own.width).index] = 1
    return mask


@pytest.mark.parametrize(
    "arch",
    [
        yolo11("n", 64, 0.5),
        replace(yolo11("n", 64, 0.25), box_width=24, cls_width=32),  # half a head of 32 / 16 channels
        pytest.param(replace(N, neck_width=48, cls_width=40), marks=pytest.mark.slow),
    ],
    ids=["half", "quarter", "neck"],
)
def test_a_narrowed_child_is_the_source_without_the_dropped_channels(yolo11n: nn.Module, arch: Architecture) -> None:
    child, done = child_of(yolo11n, arch)
    assert {entry.rule for entry in done.entries} == {"copied"}
    assert all(0 < account.kept <= account.importance for account in accounts(done))
    expected = outputs(masked(yolo11n, child))
    assert (expected - outputs(yolo11n)).abs().max() > 0.1
    torch.testing.assert_close(outputs(child), expected, atol=1e-8, rtol=0)


def wider_attention(arch: Architecture) -> Architecture:
    """P5 of 192 channels: one head of 96 values and 48 keys, which no head of the source is."""
    *others, p5 = arch.stages
    return replace(arch, stages=(*others, replace(p5, width=192)))


@pytest.mark.parametrize(
    "arch",
    [
        N,
        pytest.param(yolo11("n", 64, 0.75), marks=pytest.mark.slow),
        with_stages(HALF, depth=2),
        wider_attention(HALF),
        replace(HALF, end2end=True),
        replace(HALF, levels="P3-P4"),
    ],
    ids=["twice as wide", "half as wide again", "twice as deep", "heads", "one-to-one", "two levels"],
)
def test_a_larger_child_computes_what_the_source_does(half: nn.Module, arch: Architecture) -> None:
    child, _ = child_of(half, arch)
    if arch.end2end:
        child.end2end = False  # type: ignore[assignment]
    expected = outputs(half)[..., : outputs(child).shape[-1]]
    torch.testing.assert_close(outputs(child), expected, atol=1e-8, rtol=0)


def test_copies_of_a_channel_have_different_shares(half: nn.Module) -> None:
    child, _ = child_of(half, N)
    first, copy = child.model[1].conv.weight[:, [0, 8]].unbind(1)  # type: ignore[index]
    assert not torch.allclose(first, copy)
    torch.testing.assert_close(first[:16] + copy[:16], half.model[1].conv.weight[:, 0])  # type: ignore[index]


def test_fewer_repeats_keep_the_most_important() -> None:
    source = randomised(detector(with_stages(HALF, depth=2)))
    body = source.model[4]  # type: ignore[index]
    with torch.no_grad():  # the first repeat adds nothing, and nobody reads it
        body.m[0].cv2.bn.weight.zero_()
        body.m[0].cv2.bn.bias.zero_()
        body.cv2.conv.weight[:, 2 * body.c : 3 * body.c] = 0
    deep = with_stages(HALF, depth=2)
    p2, p3, p4, p5 = deep.stages
    child, done = child_of(source, replace(deep, stages=(p2, replace(p3, depth=1), p4, p5)))
    table = describe(source)
    assert best_repeats(table, describe(child), norms(table)) == {"P3.block": [1]}
    torch.testing.assert_close(outputs(child), outputs(source), atol=1e-8, rtol=0)
    assert all(entry.rule == "copied" for entry in done.entries)


def test_more_attention_blocks_add_nothing_at_first(half: nn.Module) -> None:
    from nas.architecture.ultralytics_yaml import to_yaml
    from nas.model.builder import build

    config = yaml.safe_load(to_yaml(HALF, NC))
    row = next(row for row in config["backbone"] if row[2] == "C2PSA")
    row[1] = 2
    child = build(yaml.safe_dump(config), seed=3).double().eval()
    table = describe(half)
    done = inherit(table, child, norms(table), list(range(NC)))
    assert "adds nothing" in {entry.rule for entry in done.entries}
    torch.testing.assert_close(outputs(child), outputs(half), atol=1e-8, rtol=0)


def test_a_ghost_stage_reads_and_writes_the_channels_that_were_chosen(half: nn.Module) -> None:
    p2, p3, p4, p5 = HALF.stages
    arch = replace(HALF, stages=(p2, replace(p3, block="ghost", downsample="ghost", depth=1), p4, p5))
    _, done = child_of(half, arch)
    of = {entry.one.role: entry for entry in done.entries}
    assert of["P3.block"].rule == of["P3.down"].rule == "fresh"
    assert of["P3.block"].reason == "GhostBottleneckV2, where the source has C3k2"
    assert of["P4.down"].rule == of["neck.P3.top_down.cv1"].rule == "copied"


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        (
            {"sppf": False, "c3k": "all", "activation": "relu"},
            {
                "stem": "copied",
                "c2psa.cv1": "outputs only",
                "c2psa.cv2": "copied",
                "P3.block.c3k.0.cv1": "fresh",
                "P3.block.cv2": "copied in part",
            },
        ),
        ({"c2psa": False}, {"neck.P4.top_down.cv1": "copied in part", "neck.P5.bottom_up.cv2": "copied"}),
        ({"neck": "slim"}, {"neck.P4.down": "fresh", "head.P3.boxes.0": "copied"}),
        ({"neck": "afpn", "head": "mbconv"}, {"neck.AFPN": "fresh", "head.P3.boxes": "fresh", "c2psa.cv2": "copied"}),
        (
            {"levels": "P2-P4"},
            {
                "neck.P3.top_down.cv1": "copied",
                "neck.P2.top_down.cv1": "fresh",
                "neck.P3.bottom_up.cv1": "fresh",
                "head.P2.boxes.0": "fresh",
                "head.P3.boxes.0": "copied",
            },
        ),
    ],
    ids=lambda value: "-".join(map(str, value)) if "stem" not in value else "sppf",
)
def test_what_has_no_counterpart_is_named(
    half: nn.Module, changes: Mapping[str, Any], rules: Mapping[str, str]
) -> None:
    _, done = child_of(half, replace(HALF, **changes))
    entries = {entry.one.role: entry for entry in done.entries}
    assert {role: entries[role].rule for role in rules} == rules
    assert all(bool(entry.reason) == (entry.rule != "copied") for entry in entries.values())


def test_a_ghost_source_inherited_into_its_own_design_is_the_source() -> None:
    p2, p3, p4, p5 = HALF.stages
    ghosts = [replace(stage, block="ghost", downsample="ghost", dfc_kernel=5, dfc_pool=2) for stage in (p3, p4)]
    arch = replace(HALF, stages=(p2, *ghosts, p5), neck="slim", head="mbconv")
    source = randomised(detector(arch))
    child, done = child_of(source, arch)
    assert {entry.rule for entry in done.entries} == {"copied"}
    assert torch.equal(outputs(child), outputs(source))


def test_classes_are_copied_row_by_row(half: nn.Module) -> None:
    child, done = child_of(half, HALF, [2, None, 0, None, None])
    fresh = detector(HALF, seed=3)
    for mine, theirs, built in zip(*(one.model[-1].cv3 for one in (child, half, fresh)), strict=True):  # type: ignore[index]
        assert torch.equal(
            mine[-1].bias, torch.stack([theirs[-1].bias[2], built[-1].bias[1], theirs[-1].bias[0], *built[-1].bias[3:]])
        )
    entry = next(entry for entry in done.entries if entry.one.role == "head.P3.classes.out")
    assert (entry.rule, entry.taken * NC) == ("copied in part", entry.params * 2)
    assert entry.reason == "3 of 5 classes are not among the source's"


def test_a_source_of_which_nothing_fits_is_refused(half: nn.Module) -> None:
    table = describe(half)
    strange = Table(table.reg_max, table.nc, [replace(one, role=f"x.{one.role}") for one in table.layers])
    with pytest.raises(ModelError, match="nothing of the source fits"):
        inherit(strange, detector(HALF), norms(strange), [None] * NC)


def stock(name: str, width: float, seed: int) -> nn.Module:
    """One of Ultralytics' own detectors at another width."""
    from ultralytics.nn.tasks import yaml_model_load

    from nas.model.builder import build

    config = yaml_model_load(name)
    config |= {"nc": NC, "scale": "n", "scales": {"n": [0.5, width, 1024]}}
    return build(yaml.safe_dump(config), seed=seed).double().eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolov8n.yaml", "yolo26n.yaml", "yolo11n.yaml"])
def test_other_layouts_are_inherited_into_their_own(name: str) -> None:
    source = randomised(stock(name, 0.25, 0))
    table = describe(source)
    for width in (0.25, 0.125):
        child = stock(name, width, 3)
        done = inherit(table, child, norms(table), range(NC))
        assert {entry.rule for entry in done.entries} == {"copied"}
        expected = source if width == 0.25 else masked(source, child)
        both = [raw(one) for one in (child, expected)]
        for ours, theirs in zip(*both, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-8, rtol=0)


@torch.no_grad()
def raw(model: nn.Module) -> list[Tensor]:
    """Box and class logits of every branch, which no top-k reorders."""
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    predicted = model(picture)[1]
    found = predicted.values() if "one2one" in predicted else [predicted]
    return [one[name] for one in found for name in ("boxes", "scores")]
