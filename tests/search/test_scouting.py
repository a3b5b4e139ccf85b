"""A parent in a search, by formula: when it is trained, when it is asked, and what is trained because of it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nas.architecture import Architecture
from nas.campaign import Campaign
from nas.errors import ProxyError
from nas.evaluate import Task
from nas.executors import inline
from nas.exploration import Judged
from nas.jobs import Assignment, Crew, Judgement, ParentTraining
from nas.judge import PARENT_FILE
from nas.latency.features import TERMS, Features
from nas.latency.predictor import Predictor
from nas.literals import yolo11
from nas.report import Outcome, report
from nas.scouting import Scouting, kept_judgements
from nas.search import STARTUP_TRAINED
from nas.settings import SearchSettings
from nas.space import SearchSpace
from nas.study import StoredStudy
from tests.search.conftest import formula, work

Open = Callable[[], StoredStudy]


@pytest.fixture(autouse=True)
def features_by_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(design: Architecture, classes: int) -> Features:
        return Features(tuple(1e6 * (1 + work(design)) * (index + 1) for index in range(len(TERMS))))

    monkeypatch.setattr("nas.foresight.features_of", counted)


@pytest.fixture
def study(tmp_path: Path, settings: SearchSettings, sizes: dict[str, int]) -> Iterator[Open]:
    opened: list[StoredStudy] = []

    def again() -> StoredStudy:
        for one in opened:
            one.close()
        opened[:] = [StoredStudy(tmp_path, settings, sizes)]
        return opened[0]

    yield again
    opened[0].close()


def train(space: SearchSpace, steps: int, task: Task) -> float:
    (task.folder / PARENT_FILE).write_text(str(steps))
    return 1.0


def judge(
    space: SearchSpace, designs: tuple[Architecture, ...], predictor: Predictor, task: Task
) -> tuple[Judged, ...]:
    def judged(design: Architecture) -> Judged:
        latency_ms = 0.5 + work(design)
        return Judged(design, latency_ms, work(design) ** 0.5 / 4 if latency_ms <= task.limits.target_ms else None)

    return tuple(judged(design) for design in designs)


def campaign(study: StoredStudy, space: SearchSpace, task: Task, budget: int = 24, parallel: int = 1) -> Campaign:
    return Campaign(
        study,
        space,
        sampler="random",
        seed=0,
        budget=budget,
        parallel=parallel,
        baselines={"yolo11n": yolo11("n", 160)},
        scouting=Scouting(study, space, task, steps=7, seed=0, number=60),
    )


CREW = Crew(formula, parent=train, judge=judge)


def outcome(study: StoredStudy, settings: SearchSettings) -> Outcome:
    return Outcome(
        folder=study.folder,
        settings=settings,
        budget=24,
        records=study.records(),
        baseline_records=study.baselines(),
        repeats={},
        front=[],
        baselines=[],
        fastest_ms=0.5,
        slowest_ms=9.0,
        ended="budget",
        seconds=1.0,
        data_sizes={"train": 8, "select": 2, "val": 2},
        protocol={},
        data_yaml=None,
        judged=kept_judgements(study),
    )


def test_the_rest_of_a_search_begins_with_what_the_parent_likes(
    study: Open, space: SearchSpace, task: Task, settings: SearchSettings
) -> None:
    opened = study()
    inline.run(campaign(opened, space, task), task, CREW)
    assert (task.folder / PARENT_FILE).read_text() == "7"
    records = opened.records()
    origins = [r.origin for r in records if r.status == "trained"]
    begun, half = STARTUP_TRAINED, 12
    assert origins == ["random"] * begun + ["parent"] * half + ["random"] * (24 - begun - half)
    kept = kept_judgements(opened)
    assert sum(one.score is not None for one in kept) >= 60
    best = max(kept, key=lambda one: one.score or 0.0)
    assert best.architecture.key in {r.key for r in records if r.origin == "parent"}
    told = report(outcome(opened, replace(settings, parent_steps=7)))
    scored = sum(one.score is not None for one in kept)
    assert f"Of {len(kept)} evolved designs {scored} were scored" in told and "12 trained; none is on" in told
    assert "a weight-sharing parent, trained for 7 steps" in told
    (task.folder / PARENT_FILE).unlink()
    assert campaign(study(), space, task).next() is None  # a finished search asks no parent


def test_trials_go_on_beside_the_parent_up_to_half_of_the_budget(study: Open, space: SearchSpace, task: Task) -> None:
    opened = study()
    searched = campaign(opened, space, task, budget=30, parallel=2)
    parent = searched.next()
    assert isinstance(parent, ParentTraining) and parent.steps == 7
    begun = 0
    while (job := searched.next()) != "wait":
        assert isinstance(job, Assignment)
        begun += not job.baseline
        searched.done(job, formula(job.architecture, task, job.label, job.baseline))
    assert sum(r.status == "trained" for r in opened.records()) == 15 <= begun
    train(space, 7, task)
    searched.done(parent, 1.0)
    assert isinstance(searched.next(), Judgement)


def test_two_jobs_of_a_generation_are_under_way_at_once(study: Open, space: SearchSpace, task: Task) -> None:
    opened = study()
    searched = campaign(opened, space, task, parallel=2)
    jobs: list[Judgement] = []
    while len(jobs) < 2:
        job = searched.next()
        if isinstance(job, Judgement):
            jobs.append(job)
        else:
            assert job is not None and job != "wait"
            searched.done(job, CREW.carry_out(job, task))
    assert searched.next() == "wait"
    assert not {d.key for d in jobs[0].designs} & {d.key for d in jobs[1].designs}
    searched.done(jobs[1], judge(space, jobs[1].designs, jobs[1].predictor, task))
    assert searched.progress().scored > 0 and searched.progress().to_score == 60


def test_an_interrupted_scouting_goes_on(study: Open, space: SearchSpace, task: Task) -> None:
    asked: list[str] = []

    def interrupted(space: SearchSpace, designs: tuple[Architecture, ...], *rest: object) -> tuple[Judged, ...]:
        if len(asked) > 30:
            raise KeyboardInterrupt
        asked.extend(design.key for design in designs)
        return judge(space, designs, *rest)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        inline.run(campaign(study(), space, task), task, Crew(formula, parent=train, judge=interrupted))
    before = list(asked)

    def again(space: SearchSpace, designs: tuple[Architecture, ...], *rest: object) -> tuple[Judged, ...]:
        assert not {design.key for design in designs} & set(before)
        asked.extend(design.key for design in designs)
        return judge(space, designs, *rest)  # type: ignore[arg-type]

    def never(space: SearchSpace, steps: int, task: Task) -> float:
        raise AssertionError("the parent was trained already")

    opened = study()
    inline.run(campaign(opened, space, task), task, Crew(formula, parent=never, judge=again))
    assert [one.architecture.key for one in kept_judgements(opened)] == asked
    assert any(r.origin == "parent" for r in opened.records())


def test_a_parent_that_fails_stops_the_search(study: Open, space: SearchSpace, task: Task) -> None:
    def broken(space: SearchSpace, steps: int, task: Task) -> float:
        raise MemoryError("no room")

    with pytest.raises(ProxyError, match=r"the parent: MemoryError: no room\. The search was stopped.*--parent"):
        inline.run(campaign(study(), space, task), task, Crew(formula, parent=broken, judge=judge))
