"""Designs of every shipped space: each of their tensors begins as a stated rule says."""

import random
from collections.abc import Iterator
from typing import get_args

import pytest
import torch
from torch import nn

from nas.architecture.architecture import Architecture
from nas.inherit.channel_spaces import Block, Layer
from nas.inherit.child import inherit
from nas.inherit.importance import norms
from nas.inherit.roles import describe
from nas.inherit.transfer import Entry, Rule, Transfer
from nas.space.space import load_space, shipped_spaces

from .conftest import NC, detector


def drawn(space: str, count: int, seed: int) -> Iterator[Architecture]:
    loaded, rng = load_space(space), random.Random(seed)
    return (loaded.decode(loaded.sample(rng)) for _ in range(count))


def check(source: nn.Module, arch: Architecture) -> set[str]:
    """Every tensor of a child is the source's or as the design was built, as its rule says; the rules that were met."""
    child = detector(arch, seed=3)
    fresh = {name: value.detach().clone() for name, value in child.named_parameters()}
    table = describe(source)
    done = inherit(table, child, norms(table), range(NC))
    entry_of = owners(child, done)
    known = table.by_role()
    for name, value in child.named_parameters():
        if name.endswith("dfl.conv.weight"):
            continue
        entry = entry_of.pop(id(value))
        assert value.isfinite().all(), name
        same = torch.equal(value, fresh[name])
        if entry.rule == "fresh":
            assert same and entry.taken == 0 and entry.reason, name
        elif entry.rule == "adds nothing":
            assert same or not value.any(), name
        elif isinstance(entry.one, Layer):
            check_layer(entry, known[entry.one.role], name, value, same)
        else:
            assert entry.taken == entry.params, name
    assert not entry_of
    with torch.no_grad():
        assert all(one.isfinite().all() for one in child(torch.rand(1, 3, 64, 64).double())[:1])
    return {entry.rule for entry in done.entries}


def owners(child: nn.Module, done: Transfer) -> dict[int, Entry]:
    """Which entry each parameter belongs to: to exactly one."""
    found: dict[int, Entry] = {}
    for entry in done.entries:
        for parameter in entry.one.module.parameters():
            assert id(parameter) not in found, entry.one.role
            found[id(parameter)] = entry
    assert sum(entry.params for entry in done.entries) == sum(
        one.numel() for name, one in child.named_parameters() if not name.endswith("dfl.conv.weight")
    )
    return found


def check_layer(entry: Entry, source: Layer, name: str, value: torch.Tensor, same: bool) -> None:
    assert not isinstance(entry.one, Block)
    assert bool(entry.reason) == (entry.rule != "copied"), name
    if value is entry.one.conv.weight:
        assert same == (entry.rule == "outputs only"), name
    elif entry.one.norm is not None and entry.one.kind != "qkv":
        theirs = source.norm.weight if value is entry.one.norm.weight else source.norm.bias
        assert torch.isin(value, theirs).all(), name


FAST = [name for name in shipped_spaces() if name.endswith("-n")]


@pytest.mark.parametrize("space", FAST)
def test_every_tensor_follows_a_rule(yolo11n: nn.Module, space: str) -> None:
    for arch in drawn(space, 10, seed=1):
        check(yolo11n, arch)


@pytest.mark.slow
@pytest.mark.parametrize("space", shipped_spaces())
def test_every_tensor_of_fifty_designs_follows_a_rule(yolo11n: nn.Module, space: str) -> None:
    met = set().union(*(check(yolo11n, arch) for arch in drawn(space, 50, seed=2)))
    assert met <= set(get_args(Rule)) and {"copied", "fresh"} <= met
