"""What to try next depends on the space, the history and the seed, and on nothing else."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from nas.search import sampler
from nas.search.sampler import MUTATED, STARTUP_TRAINED, Observation, propose
from nas.search.scaled_baselines import can_be_built
from nas.space.reference_designs import UNIFORM_WIDTHS, ghost_corner, scaled_yolo11, yolo11
from nas.space.space import SearchSpace, load_space
from nas.surrogate import Described, MeasuredDesign


def history(space: SearchSpace, n: int, rejected: int = 0) -> list[Observation]:
    rng = random.Random(7)
    points = [space.sample(rng) for _ in range(n + rejected)]
    trained = [Observation(p, 1 + rng.random(), rng.random(), meets=True) for p in points[:n]]
    return trained + [Observation(p, 3 + rng.random(), None, meets=False) for p in points[n:]]


@pytest.mark.parametrize("sampler", ["gp", "tpe", "random"])
def test_same_history_and_seed_propose_the_same(space: SearchSpace, sampler: str) -> None:
    seen = history(space, STARTUP_TRAINED, rejected=4)
    pending = [space.sample(random.Random(3))]

    def ask(seed: int) -> dict[str, int]:
        proposal = propose(space, seen, pending, sampler=sampler, target_ms=2.5, seed=seed, number=14)  # type: ignore[arg-type]
        assert proposal is not None and proposal.origin == ("expected-improvement" if sampler == "gp" else sampler)
        return proposal.indices

    first = ask(0)
    random.seed(99)  # the global generator has no say
    assert ask(0) == first
    assert ask(1) != first


def test_the_limit_that_binds_first_is_what_is_learnt(space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    learnt: list[float] = []

    def noted(seen: Sequence[MeasuredDesign], designs: Sequence[Described], least: float) -> NDArray[np.float64]:
        learnt.extend(one.used for one in seen)
        return np.arange(len(designs), dtype=np.float64)

    monkeypatch.setattr("nas.surrogate.constrained_expected_improvement", noted)
    seen = [
        replace(one, latency_ms=2.0, size=size) for one, size in zip(history(space, 12), [0.5, 1.5] * 6, strict=True)
    ]
    proposal = propose(space, seen, [], sampler="gp", target_ms=2.5, seed=0, number=14)
    assert proposal is not None and proposal.origin == "expected-improvement" and len(proposal.next_best) > 100
    assert learnt == [0.8, 1.5] * 6


def test_start_up_is_random_until_enough_are_trained(space: SearchSpace) -> None:
    proposal = propose(space, history(space, STARTUP_TRAINED - 1), [], sampler="gp", target_ms=2.5, seed=0, number=9)
    assert proposal is not None and proposal.origin == "random"


def test_seed_designs_come_first_and_only_once(space: SearchSpace) -> None:
    designs = [scaled_yolo11(space)[1], ghost_corner(space)[0]]
    known: list[str] = []
    for design in designs:
        proposal = propose(
            space, [], [], sampler="gp", target_ms=2.5, seed=0, number=len(known), known=known, seeds=designs
        )
        assert proposal is not None and proposal.origin == "seed"
        assert space.decode(proposal.indices) == design.canonical()
        known.append(design.canonical().key)
    proposal = propose(space, [], [], sampler="gp", target_ms=2.5, seed=0, number=2, known=known, seeds=designs)
    assert proposal is not None and proposal.origin == "random"


def test_a_known_architecture_makes_way_for_a_neighbour(space: SearchSpace) -> None:
    first = propose(space, [], [], sampler="random", target_ms=2.5, seed=0, number=0)
    assert first is not None
    key = space.decode(first.indices).key
    second = propose(space, [], [], sampler="random", target_ms=2.5, seed=0, number=0, known=[key])
    assert second is not None
    assert space.decode(second.indices).key != key
    assert sum(second.indices[name] != index for name, index in first.indices.items()) == 1


def test_an_exhausted_space_ends_the_search(space: SearchSpace) -> None:
    class Everything(set[str]):
        def __contains__(self, key: object) -> bool:
            return True

    taken = Everything(["x"])
    assert sampler.unknown_near(space, space.sample(random.Random(0)), taken, random.Random(0)) is None


@pytest.fixture
def narrowed() -> SearchSpace:
    return load_space("narrowed-n")


def test_a_search_from_a_checkpoint_begins_with_mutations_of_its_baselines(narrowed: SearchSpace) -> None:
    parent = yolo11("n", 160, 0.5)
    point = narrowed.encode(parent)
    assert point is not None
    changed = []
    for number in range(200):
        proposal = propose(narrowed, [], [], sampler="gp", target_ms=2.5, seed=0, number=number, near=[parent])
        assert proposal is not None and proposal.origin == "mutation"
        changed.append(sum(proposal.indices[name] != index for name, index in point.items()))
    searched = sum(len(dimension.choices) > 1 for dimension in narrowed.dimensions)
    assert max(changed) > 3
    assert sum(changed) / 200 < MUTATED * searched


def test_the_most_promising_is_looked_for_near_the_best(narrowed: SearchSpace) -> None:
    """Half of what is drawn shares more choices with one of the best than random designs do."""
    seen = history(narrowed, STARTUP_TRAINED)
    drawn = list(sampler.candidates(narrowed, seen, random.Random(0), mutated=True))
    best = [one.indices for one in sorted(seen, key=lambda one: -(one.accuracy or 0))[: sampler.PARENTS]]
    searched = [dimension.name for dimension in narrowed.dimensions if len(dimension.choices) > 1]
    shared = [max(sum(point[name] == parent[name] for name in searched) for parent in best) for point in drawn]
    assert sum(shared[1::2]) > 2 * sum(shared[::2])
    assert len(drawn) == sampler.CANDIDATES


def test_every_uniformly_narrowed_yolo11_is_a_point_of_its_space() -> None:
    for scale in ("n", "s", "m"):
        space = load_space(f"narrowed-{scale}")
        for width in UNIFORM_WIDTHS:
            design = yolo11(scale, space.choices["imgsz"][-1], width)
            assert (space.encode(design) is not None) == can_be_built(design), (scale, width)
