"""Several rungs: who is promoted when, what is measured before the last one, and what a kill changes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from nas.architecture.architecture import Architecture
from nas.errors import ProxyError
from nas.latency import Latency
from nas.proxy import Score
from nas.search.effort import EFFORTS, Rung, asked_for, granted
from nas.search.eta import Costs, done_in, seconds_left
from nas.search.evaluate import Task
from nas.search.executors import inline
from nas.search.feasibility import Feasibility
from nas.search.pending_trial import Promotion
from nas.search.progress import Progress
from nas.search.proposals import Proposer
from nas.search.rung_state import standing
from nas.search.scheduler import TrialScheduler
from nas.search.shortlists import kind
from nas.space.reference_designs import yolo11
from nas.space.space import SearchSpace, load_space
from nas.study.record import TrainedRecord
from nas.study.rungs import RungScore, rung_scores
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy
from tests.search.conftest import changed, formula, work
from tests.search.test_rungs_real import request

BUDGET = 8
RUNGS = (Rung(20, 4), Rung(40, 1))  # two after every four
BASELINES = {"source-96": yolo11("n", 96), "narrowed-96-0.25": yolo11("n", 96, 0.25)}
Make = Callable[[str], StoredStudy]


@pytest.mark.parametrize(
    ("rungs", "budget", "places"),
    [
        (EFFORTS["normal"].rungs, 50, {0: 0, 11: 0, 12: 2, 23: 2, 24: 4, 36: 6, 48: 6, 50: 6}),
        (EFFORTS["thorough"].rungs, 80, {19: 0, 20: 2, 40: 4, 60: 6, 80: 6}),
        (EFFORTS["quick"].rungs, 32, {16: 0, 32: 0}),  # a single one names the winner
        ((Rung(9, 1), Rung(10, 1)), 3, {0: 0, 2: 0, 3: 0}),
        ((Rung(9, 3), Rung(10, 1)), 4, {1: 0, 2: 1, 4: 1}),
        ((), 50, {50: 0}),
    ],
)
def test_places_are_spread_evenly_and_the_last_are_kept(
    rungs: Sequence[Rung], budget: int, places: dict[int, int]
) -> None:
    assert {trained: granted(rungs, budget, trained) for trained in places} == places


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ((None, None, None, False), (50, ((400, 8), (600, 2)))),
        ((None, 3, None, False), (3, ((400, 1), (600, 1)))),  # they shrink with the budget
        ((None, 100, None, False), (100, ((400, 16), (600, 4)))),
        (("quick", None, None, False), (32, ((400, 3),))),
        (("thorough", 40, None, False), (40, ((400, 4), (1200, 2)))),
        ((None, None, None, True), (50, ())),  # --steps alone
        (("quick", None, None, True), (32, ((400, 3),))),
        ((None, 7, (Rung(90, 5),), True), (7, ((90, 5),))),
    ],
)
def test_what_is_asked_settles_budget_and_rungs(asked: tuple[object, ...], found: tuple[int, object]) -> None:
    *first, one_length = asked
    budget, rungs = asked_for(*first, one_length=one_length)  # type: ignore[arg-type]
    assert (budget, tuple((rung.steps, rung.places) for rung in rungs)) == found


class Killed(BaseException):
    """What no code can catch."""


@dataclass
class Race:
    """Trains by formula, and measures in fresh processes by table; notes what was asked."""

    study: StoredStudy
    slower: Mapping[str, float] = field(default_factory=dict)
    killed_after: int | None = None
    asked: list[tuple[int, str]] = field(default_factory=list)
    rates: list[tuple[str, float | None]] = field(default_factory=list)
    trained: list[int] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)

    def train(
        self, architecture: Architecture, task: Task, label: str, promotion: Promotion, baseline: bool
    ) -> RungScore:
        if self.killed_after == len(self.asked):
            raise Killed
        self.asked.append((promotion.steps, label))
        self.rates.append((label, promotion.lr))
        self.trained.append(sum(record.status == "trained" for record in self.study.records()))
        return RungScore(Score(0.3 + work(architecture) ** 0.5 / 4, 0.5), promotion.steps, 8.0, 0.002)

    def confirm(self, records: Sequence[TrainedRecord]) -> dict[str, Latency]:
        self.confirmed += [record.label for record in records]
        found = {record.label: record.evaluation.latency for record in records}
        return {label: slower(one, self.slower.get(label, 0.0)) for label, one in found.items()}


def slower(one: Latency, by_ms: float) -> Latency:
    return replace(one, latency_ms=one.latency_ms + by_ms, low_ms=one.low_ms + by_ms, high_ms=one.high_ms + by_ms)


def never(*_: object) -> Score:
    raise AssertionError("a search with rungs repeats nothing with other seeds")


def carry_out(race: Race, space: SearchSpace, task: Task, **more: object) -> TrialScheduler:
    asked = {"budget": BUDGET, "baselines": BASELINES, "rungs": RUNGS, "confirm": race.confirm, **more}
    proposer = Proposer(space, sampler="random", seed=0, limits=race.study.limits)
    scheduler = TrialScheduler(race.study, proposer, **asked)  # type: ignore[arg-type]
    inline.run(scheduler, task, formula, never, race.train)
    return scheduler


@pytest.fixture
def space() -> SearchSpace:
    """One of few dimensions, which are soon stored."""
    return load_space("narrowed-n").with_imgsz([64, 96, 128])


@pytest.fixture
def made(tmp_path: Path, settings: SearchSettings, space: SearchSpace) -> Make:
    sizes = {dimension.name: len(dimension.choices) for dimension in space.dimensions}
    racing = changed(settings, rungs=[rung.steps for rung in RUNGS])
    return lambda name: StoredStudy(tmp_path / name, racing, sizes)


def test_candidates_are_promoted_while_the_search_proposes(space: SearchSpace, task: Task, made: Make) -> None:
    study, seen = made("one"), list[Progress]()
    race = Race(study)
    assert carry_out(race, space, task, on_progress=seen.append).ended == "budget"
    short = [label for steps, label in race.asked if steps == 20]
    long = [label for steps, label in race.asked if steps == 40]
    trials = [label for label in short if label.startswith("trial-")]
    assert len(trials) == 4 and sorted(map(kind, set(short) - set(trials))) == ["narrowed", "source"]
    assert race.trained[:6] == [4] * 6 and race.trained[6:] == [8] * (len(race.asked) - 6)
    assert short[:4] and set(short[:4]) >= set(BASELINES)  # the baselines with the first two
    assert {label for steps, label in race.asked[4:6] if steps == 40} == set(BASELINES)  # and on, by themselves
    assert len([label for label in long if label.startswith("trial-")]) == 1 and set(long) <= set(short)
    assert set(race.confirmed) == set(long)  # measured once, before the last rung
    # The better rate of the rung below.
    assert race.rates == [(label, None if steps == 20 else 0.002) for steps, label in race.asked]
    assert all(one.finished for one in standing(study, RUNGS))
    assert [rung.done for rung in seen[-1].rungs] == [6, 3]
    best = max(trials, key=lambda label: rung_scores(study)[label][20].score.map50_95)
    assert best in long
    study.close()


def test_who_misses_the_target_in_fresh_processes_has_no_long_training(
    space: SearchSpace, task: Task, made: Make
) -> None:
    first = Race(made("one"))
    carry_out(first, space, task)
    first.study.close()
    winner = next(label for steps, label in first.asked if steps == 40 and label.startswith("trial-"))

    race = Race(made("two"), slower={winner: 9.0, "source-96": 9.0})
    carry_out(race, space, task)
    long = [label for steps, label in race.asked if steps == 40]
    assert winner not in long and winner in race.confirmed
    assert len([label for label in long if label.startswith("trial-")]) == 1
    assert "source-96" in long and "narrowed-96-0.25" in long  # before anybody measured
    assert "source-96" not in standing(race.study, RUNGS)[1].promoted
    assert len(race.confirmed) == len(set(race.confirmed))
    again = Race(race.study)
    carry_out(again, space, task)
    assert again.asked == [] and again.confirmed == []
    race.study.close()


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_kill_anywhere_changes_nothing(every: int, space: SearchSpace, task: Task, made: Make) -> None:
    whole = Race(made("whole"))
    carry_out(whole, space, task)
    study, asked = made("killed"), list[tuple[int, str]]()
    for _ in range(len(whole.asked)):
        race = Race(study, killed_after=every)
        try:
            carry_out(race, space, task)
        except Killed:
            asked += race.asked
            continue
        asked += race.asked
        break
    assert asked == whole.asked and standing(study, RUNGS) == standing(whole.study, RUNGS)
    whole.study.close()
    study.close()


@pytest.mark.slow
def test_a_larger_budget_promotes_more_and_repeats_nothing(space: SearchSpace, task: Task, made: Make) -> None:
    study = made("one")
    carry_out(Race(study), space, task)
    before = standing(study, RUNGS)
    larger = (Rung(20, 6), Rung(40, 2))
    more = Race(study)
    carry_out(more, space, task, budget=9, rungs=larger)
    assert sum(record.status == "trained" for record in study.records()) == 9
    now = standing(study, larger)
    assert all(one.finished for one in now) and set(now[0].promoted) > set(before[0].promoted)
    assert {label for steps, label in more.asked if steps == 20} == set(now[0].promoted) - set(before[0].promoted)
    assert not {label for steps, label in more.asked if steps == 40} & set(before[1].promoted)
    study.close()


def test_after_the_time_no_candidate_begins_but_the_rungs_are_finished(
    space: SearchSpace, task: Task, made: Make
) -> None:
    study, now = made("one"), [0.0]
    race = Race(study)

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    assert carry_out(race, space, task, max_seconds=9.0, clock=clock).ended == "time"
    trained = sum(record.status == "trained" for record in study.records())
    assert 0 < trained < BUDGET and all(one.finished for one in standing(study, RUNGS))
    study.close()


def test_a_budget_that_is_extended_with_the_same_rungs_promotes_of_the_new_ones(
    space: SearchSpace, task: Task, made: Make
) -> None:
    study = made("one")
    carry_out(Race(study), space, task, max_seconds=3.0, clock=iter(range(10**6)).__next__)
    few = sum(record.status == "trained" for record in study.records())
    before = standing(study, RUNGS)
    assert few < BUDGET and all(one.finished for one in before)
    more = Race(study)
    carry_out(more, space, task)
    now = standing(study, RUNGS)
    new = {label for steps, label in more.asked if steps == 20}
    assert all(one.finished for one in now) and len(new) >= 2
    assert new == set(now[0].promoted) - set(before[0].promoted)
    again = Race(study)
    carry_out(again, space, task)
    assert again.asked == [] and standing(study, RUNGS) == now
    study.close()


def test_without_a_candidate_no_baseline_is_trained_longer(space: SearchSpace, task: Task, made: Make) -> None:
    study = made("one")
    race = Race(study)
    assert carry_out(race, space, task, max_seconds=0.0).ended == "time"
    assert study.records() == [] and race.asked == [] and all(one.finished for one in standing(study, RUNGS))
    study.close()


def test_a_search_whose_promoted_designs_all_failed_ends(space: SearchSpace, task: Task, made: Make) -> None:
    study = made("one")
    few = {"budget": 1, "rungs": (Rung(20, 1), Rung(40, 1))}
    race = Race(study)

    def fails(*_: object) -> RungScore:
        raise ProxyError("diverged")

    race.train = fails  # type: ignore[method-assign, assignment]
    assert carry_out(race, space, task, **few).ended == "budget"
    assert carry_out(Race(study, confirmed=[]), space, task, **few).ended == "budget"
    study.close()


def test_nothing_is_left_of_a_search_that_ended(space: SearchSpace, task: Task, made: Make, tmp_path: Path) -> None:
    study, seen = made("one"), list[Progress]()
    asked = replace(request(tmp_path, *RUNGS), budget=BUDGET)

    def expected() -> float:
        found = Feasibility(0.5, 9.0, BASELINES, ())
        return seconds_left(
            asked, 1, found, done_in(study, RUNGS), Costs(building=1.0, screening=2.0, first=3.0, step=0.1)
        )

    carry_out(Race(study), space, task, left=expected, on_progress=seen.append)
    left = [one.left_s for one in seen if one.left_s is not None]
    assert len(left) == len(seen) and left[-1] == 0 and left == sorted(left, reverse=True)
    study.close()


@pytest.mark.slow
def test_two_workers_train_what_is_promoted_beside_candidates(space: SearchSpace, task: Task, made: Make) -> None:
    study = made("one")
    race = Race(study)
    scheduler = TrialScheduler(
        study,
        Proposer(space, sampler="random", seed=0, limits=study.limits),
        budget=BUDGET,
        baselines=BASELINES,
        rungs=RUNGS,
        parallel=3,
        confirm=race.confirm,
    )
    running, at_once = [], 0
    while True:
        pending = scheduler.ask()
        if isinstance(pending, type(None)) or not hasattr(pending, "label"):
            if not running:
                break
            done = running.pop(0)
            found = (
                race.train(done.architecture, task, done.label, done.more, done.baseline)
                if isinstance(done.more, Promotion)
                else formula(done.architecture, task, done.label, done.baseline)
            )
            scheduler.tell(done, found)
            continue
        running.append(pending)
        at_once = max(at_once, len(running))
    assert scheduler.ended == "budget" and at_once == 3 and all(one.finished for one in standing(study, RUNGS))
    assert len(race.asked) == len(set(race.asked)) and sum(r.status == "trained" for r in study.records()) == BUDGET
    assert min(race.trained) >= 4
    study.close()
