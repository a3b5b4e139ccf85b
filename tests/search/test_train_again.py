"""A replicate trains the same design with another seed: other weights, another order of pictures."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import nas.proxy
from nas.proxy import ProxySettings, Score
from nas.search.evaluate import Task, train_again
from nas.space.space import SearchSpace


def test_every_repetition_has_a_seed_of_its_own(
    space: SearchSpace, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, torch.Tensor, int]] = []

    def train_proxy(model: Any, data: Any, imgsz: int, settings: ProxySettings, gate: Any) -> tuple[Any, Any]:
        seen.append((settings.seed, model.model[0].conv.weight.detach().clone(), imgsz))
        return SimpleNamespace(score=Score(0.25, 0.5), inherited=None), model

    monkeypatch.setattr(nas.proxy, "train_proxy", train_proxy, raising=False)
    arch = space.smallest()[0]
    seventh = replace(task, proxy=replace(task.proxy, seed=7))
    assert [train_again(arch, seventh, number) for number in (1, 2, 2)] == [Score(0.25, 0.5)] * 3
    assert train_again(arch, replace(task, proxy=replace(task.proxy, seed=8)), 1) == Score(0.25, 0.5)
    seeds = [seed for seed, *_ in seen]
    assert seeds[1] == seeds[2] and len({7, 8, *seeds}) == 5
    assert torch.equal(seen[1][1], seen[2][1]) and not torch.equal(seen[0][1], seen[1][1])
    assert all(imgsz == arch.imgsz for *_, imgsz in seen)
