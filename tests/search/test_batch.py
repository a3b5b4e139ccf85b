"""Several proposals at once, for many workers."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.search.step_cost import evaluation
from nas.latency.predictor import LEAST_SAMPLES
from nas.search.batch import MANY, propose_batch
from nas.search.pending_trial import PendingTrial
from nas.search.proposals import Proposer
from nas.search.sampler import NEAR, STARTUP_TRAINED, Observation, Proposal
from nas.search.scheduler import TrialScheduler
from nas.space import SearchSpace, load_space
from nas.study import SearchSettings, StoredStudy
from nas.surrogate.work import rough_work
from tests.search.test_sampler import history

TARGET_MS = 4.0


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return load_space("ghostv2-n")


@pytest.fixture(scope="module")
def seen(space: SearchSpace) -> list[Observation]:
    """Random designs whose latency follows from their work, and a median limit."""
    made = [
        replace(one, latency_ms=rough_work(space.decode(one.indices)) / 1e7)
        for one in history(space, 3 * STARTUP_TRAINED)
    ]
    return [replace(one, meets=one.latency_ms <= TARGET_MS) for one in made]


def test_a_batch_has_different_unknown_designs_in_the_shares_of_single_proposals(
    space: SearchSpace, seen: list[Observation]
) -> None:
    known = {space.decode(one.indices).key for one in seen}
    made = propose_batch(space, seen, 16, target_ms=TARGET_MS, seed=0, number=32, known=known)
    keys = [space.decode(one.indices).key for one in made]
    assert len(set(keys) - known) == len(keys) == 16
    assert Counter(one.origin for one in made) == {
        "expected-improvement": 8,
        "expected-improvement-front": 4,
        "random": 4,
    }
    again = propose_batch(space, seen, 16, target_ms=TARGET_MS, seed=0, number=32, known=known)
    assert again == made
    other = propose_batch(space, seen, 16, target_ms=TARGET_MS, seed=0, number=48, known=known | set(keys))
    assert not {space.decode(one.indices).key for one in other} & set(keys)


def test_what_is_proposed_for_accuracy_is_near_the_limit_and_nothing_misses_it(
    space: SearchSpace, seen: list[Observation]
) -> None:
    made = propose_batch(space, seen, 16, target_ms=TARGET_MS, seed=0, number=32, known=set())
    used = {id(one): rough_work(space.decode(one.indices)) / 1e7 / TARGET_MS for one in made}
    near = [used[id(one)] for one in made if one.origin == "expected-improvement"]
    assert all(NEAR * 0.9 <= one <= 1.1 for one in near)
    assert max(used.values()) <= 1.1
    assert min(used[id(one)] for one in made if one.origin == "expected-improvement-front") < min(near)


def test_start_up_designs_are_random_near_the_limit(space: SearchSpace, seen: list[Observation]) -> None:
    few = [*seen[: STARTUP_TRAINED - 1], *(replace(one, accuracy=None) for one in seen[STARTUP_TRAINED - 1 :])]
    made = propose_batch(space, few, 16, target_ms=TARGET_MS, seed=0, number=32, known=set())
    used = [rough_work(space.decode(one.indices)) / 1e7 / TARGET_MS for one in made]
    assert {one.origin for one in made} == {"random"}
    assert min(used) >= NEAR * 0.7
    assert max(used) <= 1.2


@pytest.mark.parametrize(("measured", "count"), [(LEAST_SAMPLES - 1, 0), (LEAST_SAMPLES, 4)])
def test_the_first_designs_of_all_are_proposed_one_by_one(
    tmp_path: Path, settings: SearchSettings, space: SearchSpace, seen: list[Observation], measured: int, count: int
) -> None:
    study = StoredStudy(tmp_path, settings, {d.name: len(d.choices) for d in space.dimensions})
    proposer = Proposer(space, "gp", 0, study.limits)
    for one in seen[:measured]:
        design = space.decode(one.indices)
        number = study.start(dict(one.indices), design.key, "random")
        study.finish(number, replace(evaluation(design, random.Random(number)), score=None, status="rejected"))
    assert len(proposer.propose_batch(study.records(), [], {}, 4)) == count
    study.close()


@pytest.mark.parametrize(("parallel", "fits"), [(MANY, 0), (MANY + 1, 1)])
def test_only_many_workers_have_batches(
    tmp_path: Path,
    settings: SearchSettings,
    space: SearchSpace,
    seen: list[Observation],
    monkeypatch: pytest.MonkeyPatch,
    parallel: int,
    fits: int,
) -> None:
    """With eight workers and one more every design is proposed by itself; with nine, one fit is for half of them."""
    asked: list[int] = []
    drawn = iter([Proposal(dict(one.indices), "random") for one in seen])

    def batch(self: Proposer, records: object, baselines: object, rungs: object, count: int) -> list[Proposal]:
        asked.append(count)
        return [next(drawn) for _ in range(count)]

    monkeypatch.setattr(Proposer, "propose_batch", batch)
    monkeypatch.setattr(Proposer, "propose", lambda *_: next(drawn))
    study = StoredStudy(tmp_path, settings, {d.name: len(d.choices) for d in space.dimensions})
    scheduler = TrialScheduler(study, Proposer(space, "gp", 0, study.limits), budget=50, parallel=parallel)
    given = [scheduler.ask() for _ in range(4)]
    study.close()
    assert all(isinstance(one, PendingTrial) for one in given)
    assert asked == [parallel // 2] * fits
