"""What to try next depends on the space, the history and the seed, and on nothing else."""

import random
from dataclasses import replace

import pytest

from nas.literals import ghost_corner, scaled_yolo11
from nas.search import STARTUP_TRAINED, Observation, propose
from nas.space import SearchSpace


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
        assert proposal is not None and proposal.origin == ("promise" if sampler == "gp" else sampler)
        return proposal.indices

    first = ask(0)
    random.seed(99)  # the global generator has no say
    assert ask(0) == first
    assert ask(1) != first


def test_a_limit_on_size_is_left_to_optunas_sampler(space: SearchSpace) -> None:
    seen = history(space, STARTUP_TRAINED, rejected=1)
    too_large = replace(seen[-1], latency_ms=1.0)
    for last, origin in ((seen[-1], "promise"), (too_large, "gp")):
        known = [*seen[:-1], last]
        proposal = propose(space, known, [], sampler="gp", target_ms=2.5, seed=0, number=14)
        assert proposal is not None and proposal.origin == origin


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
    from nas import search

    assert search._unknown(space, space.sample(random.Random(0)), taken, random.Random(0)) is None
