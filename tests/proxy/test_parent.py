"""The weight-sharing parent: every cut is a standalone net with the same weights."""

import random
from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks.parent.cut import blocks, halves
from benchmarks.parent.net import Parent
from benchmarks.parent.score import score_cut
from benchmarks.parent.train import train_parent
from nas.architecture.architecture import Architecture
from nas.architecture.ultralytics_yaml import to_yaml
from nas.data import load
from nas.data.dataset import Split
from nas.errors import UsageError
from nas.model.builder import build
from nas.proxy import ProxySettings
from nas.space.space import SearchSpace, load_space

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return load_space("ghostv2-n")


@pytest.fixture(scope="module")
def parent(space: SearchSpace) -> Parent:
    return Parent(space, 3, seed=1)


def designs(space: SearchSpace, n: int) -> list[Architecture]:
    rng = random.Random(0)
    return [space.decode(space.sample(rng)) for _ in range(n)]


@pytest.mark.parametrize("count", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_every_cut_is_the_standalone_net_with_the_same_weights(space: SearchSpace, parent: Parent, count: int) -> None:
    for arch in [*space.smallest()[:1], *space.largest()[:1], *designs(space, count)]:
        child = parent.child(arch)
        picture = torch.rand(2, 3, 64, 64)
        child.model.eval()
        with torch.no_grad():
            shared = child(picture)[0]
        alone = build(to_yaml(arch, 3), seed=0).eval()
        own = dict(alone.named_parameters())
        taken = {one.name for one in child.taken}
        assert set(own) - taken == {name for name in own if name.endswith("dfl.conv.weight")}
        with torch.no_grad():
            for one in child.taken:
                own[one.name].copy_(one.value())
            assert torch.equal(alone(picture)[0], shared)
            child.standalone()
            assert torch.equal(child.model(picture)[0], shared)


def test_the_largest_cut_is_the_whole(space: SearchSpace, parent: Parent) -> None:
    (arch, *_) = space.largest()
    whole = [one.value().shape == one.source.shape for one in parent.child(arch).taken if "model.22." in one.name]
    assert whole and all(whole)


@pytest.mark.slow
@pytest.mark.parametrize("sandwich", [False, True])
def test_a_parent_learns(space: SearchSpace, sandwich: bool) -> None:
    data = load(None)
    parent = Parent(space, data.nc, seed=0)
    before = parent.rows["0-Conv"].conv.weight.detach().clone()
    settings = ProxySettings(steps=2, batch=2, recalibration=2, seed=3)
    result, trained = train_parent(parent, space, data, settings, sandwich=sandwich)
    assert result.steps == 2 and 0 < result.train_loss < 1e4
    assert not torch.equal(parent.rows["0-Conv"].conv.weight, before)
    again, same = train_parent(Parent(space, data.nc, seed=0), space, data, settings, sandwich=sandwich)
    assert again.train_loss == result.train_loss
    assert all(torch.equal(a, b) for a, b in zip(trained.parameters(), same.parameters(), strict=True))


def test_a_cut_is_scored_without_touching_the_parent(space: SearchSpace) -> None:
    data, settings = load(None), ProxySettings(recalibration=16)
    select = Split("select", data.select.images[:16], data.select.labels[:16], f"{data.select.key}, 16")
    parent, few = Parent(space, data.nc, seed=2), replace(data, select=select)
    before = {name: value.clone() for name, value in parent.state_dict().items()}
    arch = space.smallest()[0]
    first = score_cut(parent, arch, few, settings)
    assert first == score_cut(parent, arch, few, settings)
    assert 0 <= first.map50_95 <= first.map50 <= 1
    assert all(torch.equal(value, before[name]) for name, value in parent.state_dict().items())


def test_a_space_whose_c3k_varies_is_refused() -> None:
    with pytest.raises(UsageError, match="ghostv2-m: c3k deep and all"):
        Parent(load_space("ghostv2-m"), 3)


def test_a_gradient_reaches_what_was_taken_and_nothing_else(space: SearchSpace, parent: Parent) -> None:
    arch = designs(space, 1)[0]
    child = parent.child(arch)
    child.model.train()
    outputs = child(torch.rand(2, 3, 64, 64))
    (outputs["boxes"].square().mean() + outputs["scores"].square().mean()).backward()
    touched = {id(one.source) for one in child.taken}
    for parameter in parent.parameters():
        assert (parameter.grad is not None) == (id(parameter) in touched and parameter.requires_grad)
    for one in child.taken:
        inside = torch.zeros_like(one.source, dtype=torch.bool)
        inside[torch.meshgrid(*one.indices, indexing="ij")] = True
        assert not one.source.grad[~inside].any(), one.name
    parent.zero_grad()


def test_halves_and_blocks_are_prefixes_of_their_parts() -> None:
    assert halves(4, 8).tolist() == [0, 1, 4, 5] and halves(3, 6).tolist() == [0, 1, 3]
    assert blocks(2, 5, 3).tolist() == [0, 1, 5, 6, 10, 11]


def test_kernels_are_cropped_around_their_centre(space: SearchSpace, parent: Parent) -> None:
    for arch in designs(space, 5):
        for one in parent.child(arch).taken:
            if one.source.ndim == 4:
                for index, full in zip(one.indices[2:], one.source.shape[2:], strict=True):
                    assert index[0] + index[-1] == full - 1


def test_a_space_of_other_families_is_refused() -> None:
    with pytest.raises(UsageError, match=r"mixed-n: P2\.block .* cannot share weights"):
        Parent(load_space("mixed-n"), 3)


def test_weights_are_shared_and_not_copied(space: SearchSpace, parent: Parent) -> None:
    first, second = (parent.child(arch) for arch in designs(space, 2))
    stem = [next(one.source for one in child.taken if one.name == "model.0.conv.weight") for child in (first, second)]
    assert stem[0] is stem[1] and isinstance(stem[0], nn.Parameter)
