"""Evolution by judgements: what is asked, in which order, and what comes of it."""

from statistics import mean

from nas.architecture import Architecture
from nas.exploration import Exploration, Judged, most_promising
from nas.literals import yolo11
from nas.space import SearchSpace
from tests.search.conftest import work

LIMIT_MS = 2.5


def judged(design: Architecture) -> Judged:
    latency_ms = 0.5 + work(design)
    score = work(design) ** 0.5 / 4 + 0.05 * sum(stage.block == "ghost" for stage in design.stages)
    return Judged(design, latency_ms, score if latency_ms <= LIMIT_MS else None)


def explored(space: SearchSpace, number: int, seed: int = 0, generations: int = 1000, **more: object) -> Exploration:
    exploration = Exploration(space, LIMIT_MS, number=number, seed=seed, **more)  # type: ignore[arg-type]
    for _ in range(generations):
        if not (designs := exploration.ask()):
            break
        exploration.tell([judged(design) for design in designs])
    return exploration


def test_it_ends_when_enough_designs_are_scored(space: SearchSpace) -> None:
    exploration = explored(space, 100)
    assert 100 <= exploration.scored < 132
    keys = [one.architecture.key for one in exploration.judged]
    assert len(set(keys)) == len(keys)


def test_later_generations_are_better(space: SearchSpace) -> None:
    scores = [one.score or 0.0 for one in explored(space, 400).judged]
    assert mean(scores[-100:]) > mean(scores[:32]) + 0.03
    assert max(scores[32:]) > max(scores[:32])


def test_the_same_seed_explores_the_same_designs(space: SearchSpace) -> None:
    first, second, other = (explored(space, 70, seed).judged for seed in (1, 1, 2))
    assert first == second != other


def test_an_interrupted_exploration_asks_for_the_rest_only(space: SearchSpace) -> None:
    whole = explored(space, 120).judged
    part = explored(space, 120, generations=2).judged
    assert 0 < len(part) < len(whole)
    asked: list[str] = []
    resumed = Exploration(space, LIMIT_MS, number=120, seed=0, known=part[:-5])
    while designs := resumed.ask():
        asked += [design.key for design in designs]
        resumed.tell([judged(design) for design in designs])
    assert {one.architecture.key for one in resumed.judged} == {one.architecture.key for one in whole}
    assert set(asked) == {one.architecture.key for one in whole} - {one.architecture.key for one in part[:-5]}


def test_it_begins_with_what_is_known(space: SearchSpace) -> None:
    known = space.smallest()[0]
    first = Exploration(space, LIMIT_MS, number=9, seed=0, begin_with=[yolo11("n", 32, 3.0), known]).ask()
    assert first[0] == known and len(first) > 9


def test_an_exhausted_space_ends_it(space: SearchSpace) -> None:
    from dataclasses import replace

    only = {"activation", "P4.width"}
    few = replace(
        space, dimensions=tuple(d if d.name in only else replace(d, choices=d.choices[:1]) for d in space.dimensions)
    )
    assert len(explored(few, 1000).judged) == few.size


def test_the_promising_are_the_fronts_in_turn(space: SearchSpace) -> None:
    design = space.smallest()[0]
    points = [(1.0, 0.2), (2.0, 0.4), (2.1, 0.3), (1.5, 0.25), (2.4, None), (0.9, 0.1)]
    every = [Judged(design, latency, score) for latency, score in points]
    found = [(one.latency_ms, one.score) for one in most_promising(every, LIMIT_MS, 9)]
    # At 1.0 and 0.9 ms, below half of the limit, being faster counts for nothing.
    assert found == [(2.0, 0.4), (1.5, 0.25), (1.0, 0.2), (2.1, 0.3), (0.9, 0.1)]
    for number in range(6):
        assert [(one.latency_ms, one.score) for one in most_promising(every, LIMIT_MS, number)] == found[:number]
