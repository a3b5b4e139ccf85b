"""A single rung: who is promoted, what a kill, a failure and a larger budget change, and what a worker is told."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from nas.architecture.architecture import Architecture
from nas.cli.search_progress import progress_line
from nas.errors import DataChanged, OutOfMemory, ProxyError, StorageError
from nas.proxy import Score
from nas.results.trial_notes import annotate
from nas.search.effort import Rung
from nas.search.evaluate import Task
from nas.search.executors import inline
from nas.search.pending_trial import PENDING, NoTrial, PendingTrial, Promotion, Replicate
from nas.search.progress import Progress, RungProgress
from nas.search.proposals import Proposer
from nas.search.rung_state import standing
from nas.search.scheduler import FAILURES_IN_A_ROW, TrialScheduler
from nas.search.shortlists import kind, shortlists
from nas.space.reference_designs import yolo11
from nas.space.space import SearchSpace
from nas.study.accuracy import Estimates, estimates
from nas.study.record import Record, as_trained
from nas.study.rungs import RungScore, RungStanding, rung_scores
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy
from tests.search.conftest import BASELINES, BUDGET, Open, changed, formula

STEPS, PLACES = 40, 3
RUNGS = (Rung(STEPS, PLACES),)


def stands(study: StoredStudy) -> RungStanding:
    (now,) = standing(study, RUNGS)
    return now


def scores_of(study: StoredStudy) -> dict[str, RungScore]:
    return {label: some[STEPS] for label, some in rung_scores(study).items()}


class Killed(BaseException):
    """What no code can catch."""


class Trainer:
    """Trains at the last rung by table; it is killed when so many have been trained."""

    def __init__(self, fails: Mapping[str, BaseException] | None = None, killed_after: int | None = None) -> None:
        self.fails, self.killed_after = dict(fails or {}), killed_after
        self.asked: list[str] = []

    def __call__(
        self, architecture: Architecture, task: Task, label: str, promotion: Promotion, baseline: bool
    ) -> RungScore:
        if self.killed_after == len(self.asked):
            raise Killed
        self.asked.append(label)
        if label in self.fails:
            raise self.fails[label]
        assert baseline == (label in BASELINES) and promotion == Promotion(STEPS)
        return RungScore(Score(len(label) / 100, 0.5), STEPS, 8.0, 0.006)


def never(*_: object) -> Score:
    raise AssertionError("a search with rungs repeats nothing with other seeds")


def carry_out(study: StoredStudy, space: SearchSpace, task: Task, trainer: Trainer, **more: Any) -> TrialScheduler:
    asked = {"budget": BUDGET, "baselines": BASELINES, "rungs": RUNGS, **more}
    proposer = Proposer(space, sampler="random", seed=0, limits=study.limits)
    scheduler = TrialScheduler(study, proposer, replicates=2, **asked)
    inline.run(scheduler, task, formula, never, trainer)
    return scheduler


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("source-96", "source"),
        ("narrowed-192-0.625", "narrowed"),
        ("yolo11n", "yolo"),
        ("yolo11-scaled", "yolo"),
        ("own", "own"),
        ("96", ""),
    ],
)
def test_a_baselines_kind_is_the_beginning_of_its_label(label: str, name: str) -> None:
    assert kind(label) == name


def test_promoted_are_the_most_accurate_that_meet_every_limit_and_the_best_of_each_kind_of_baseline(
    task: Task,
) -> None:
    fast, slow = yolo11("n", 96, 0.25), yolo11("n", 256)

    def record(label: str, design: Architecture = fast, status: str = "trained") -> Record:
        known = formula(design, task, label, always_train=True) if status == "trained" else None
        baseline = not label.startswith("trial")
        made = Record(0, label, baseline, status, label, {}, "", known, None, None)  # type: ignore[arg-type]
        return as_trained(made) if status == "trained" else made

    accuracies = {"trial-1": 0.1, "trial-2": 0.5, "trial-3": 0.4, "trial-4": 0.9, "trial-5": 0.3}
    accuracies |= {"source-64": 0.2, "source-96": 0.6, "source-256": 0.9, "narrowed-96-0.25": 0.7}
    known = Estimates({label: (score,) for label, score in accuracies.items()}, None)
    records = [record(label, slow if label == "trial-4" else fast) for label in accuracies if "trial" in label]
    baselines = [record(label, slow if label == "source-256" else fast) for label in accuracies if "trial" not in label]
    failed = [record("trial-6", status="failed"), record("trial-7", status="rejected")]
    found = shortlists(
        [*records, *failed], [*baselines, record("other-1", status="failed")], known, task.limits.target_ms, PLACES
    )
    assert [(one.places, one.labels) for one in found] == [
        (PLACES, ("trial-2", "trial-3", "trial-5", "trial-1")),
        (1, ("narrowed-96-0.25",)),
        (1, ("source-96", "source-64")),
    ]


def test_designs_that_are_screened_above_the_target_are_promoted_last(task: Task) -> None:
    def record(number: int, latency_ms: float) -> Record:
        known = formula(yolo11("n", 96, 0.25), task, "", always_train=True)
        latency = replace(known.latency, latency_ms=latency_ms, low_ms=latency_ms - 0.3, high_ms=latency_ms + 0.3)
        label = f"trial-{number}"
        return as_trained(
            Record(number, label, False, "trained", label, {}, "", replace(known, latency=latency), None, None)
        )

    records = [record(number, ms) for number, ms in enumerate((2.6, 2.4, 2.7, 2.0))]
    known = Estimates({one.label: (0.9 - 0.1 * one.number,) for one in records}, None)
    (found,) = shortlists(records, [], known, 2.5, PLACES)
    assert found.labels == ("trial-1", "trial-3", "trial-0", "trial-2")


def test_the_last_rung_follows_the_budget_in_place_of_other_seeds(
    opened: Open, space: SearchSpace, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, trainer, seen = opened("one"), Trainer(), list[Progress]()
    monkeypatch.setattr(study, "_annotate", annotate)
    scheduler = carry_out(study, space, task, trainer, on_progress=seen.append)
    assert scheduler.ended == "budget"
    now = stands(study)
    assert now.finished and trainer.asked == list(now.promoted)
    first, *baselines, second, third = now.promoted  # the best of each before the second of any
    assert all(label.startswith("trial-") for label in (first, second, third))
    assert sorted(map(kind, baselines)) == ["narrowed", "source"] and "source-256" not in baselines
    assert {label: last.score.map50_95 for label, last in scores_of(study).items()} == {
        label: len(label) / 100 for label in now.promoted
    }
    assert [one.rungs for one in seen] == [(RungProgress(STEPS, done, 5, 0),) for done in range(1, 6)]
    assert "40 steps 2/5" in progress_line(seen[1]) and "other seeds" not in progress_line(seen[1])
    trial_id = study.trial_id("search", int(first.removeprefix("trial-")))
    kept = study._storage.get_study_system_attrs(study._studies["search"]._study_id)
    noted = "".join(str(text) for name, text in kept.items() if name.startswith(f"dashboard:{trial_id}:note_str"))
    assert f"| mAP50-95 after {STEPS} steps | {len(first) / 100:.4f} |" in noted
    study.close()


def test_a_kill_at_any_point_changes_nothing_and_loses_no_finished_training(
    opened: Open, space: SearchSpace, task: Task
) -> None:
    study, asked = opened("one"), list[str]()
    known = estimates([*study.records(), *study.baselines()], {})
    first = shortlists(study.records(), study.baselines(), known, study.limits.target_ms, PLACES)[0]
    fails = {first.labels[0]: ProxyError("diverged")}
    for done in range(4):  # each process trains one, and the first one a second that fails
        trainer = Trainer(fails, killed_after=1 if done else 2)
        with pytest.raises(Killed):
            carry_out(study, space, task, trainer)
        asked += trainer.asked
        assert len(scores_of(study)) == done + 1
    trainer = Trainer(fails)
    assert carry_out(study, space, task, trainer).ended == "budget"
    now = stands(study)
    asked += trainer.asked
    assert now.finished and len(trainer.asked) == 1 and len(asked) == len(set(asked)) == 6
    study.close()

    study, whole = opened("another"), Trainer(fails)
    carry_out(study, space, task, whole)
    assert stands(study) == now and whole.asked == asked
    study.close()


def test_a_training_whose_score_was_not_stored_is_done_again(
    opened: Open, space: SearchSpace, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, keep = opened("one"), StoredStudy.keep

    def killed(self: StoredStudy, name: str, value: Any) -> None:
        if name == "rungs" and len(value) == 3:
            raise Killed
        keep(self, name, value)

    monkeypatch.setattr(StoredStudy, "keep", killed)
    trainer = Trainer()
    with pytest.raises(Killed):
        carry_out(study, space, task, trainer)
    monkeypatch.undo()
    study.close()
    study, again = opened("one"), Trainer()
    carry_out(study, space, task, again)
    assert again.asked == [trainer.asked[2], *again.asked[1:]] and len(again.asked) == 3
    study.close()


def test_who_is_promoted_does_not_change_until_more_designs_are_trained(
    opened: Open, space: SearchSpace, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, trainer = opened("one"), Trainer(killed_after=1)
    with pytest.raises(Killed):
        carry_out(study, space, task, trainer)
    before = stands(study)
    assert before.decided and not before.finished and before.missing == before.promoted[1:]
    study.close()
    with monkeypatch.context() as patched:  # such as another version of a library
        patched.setattr("nas.search.promotions.shortlists", lambda *_: [])
        study = opened("one")
        carry_out(study, space, task, Trainer())
    assert stands(study).promoted == before.promoted and stands(study).finished
    scores = scores_of(study)

    more = Trainer()
    carry_out(study, space, task, more, budget=BUDGET + 1)
    now = stands(study)
    assert now.finished and not set(more.asked) & set(scores) and set(more.asked) == set(now.promoted) - set(scores)
    assert scores.items() <= scores_of(study).items()
    best = [r for r in study.records() if r.evaluation and r.evaluation.score and not r.evaluation.violations]
    best.sort(key=lambda r: -r.evaluation.score.map50_95 if r.evaluation and r.evaluation.score else 0)
    assert {label for label in now.promoted if "trial" in label} == {r.label for r in best[:PLACES]}
    study.close()


def test_a_failed_one_gives_its_place_to_the_next_of_its_list(opened: Open, space: SearchSpace, task: Task) -> None:
    study = opened("one")
    known = estimates([*study.records(), *study.baselines()], {})
    lists = shortlists(study.records(), study.baselines(), known, study.limits.target_ms, PLACES)
    failed = [lists[0].labels[0], next(one for one in lists if "source-96" in one.labels).labels[0]]
    fails = dict(zip(failed, (RuntimeError("no memory"), ProxyError("diverged")), strict=True))
    scheduler = carry_out(study, space, task, Trainer(fails))
    now = stands(study)
    assert (
        scheduler.ended == "budget" and now.finished and scheduler.progress().rungs == (RungProgress(STEPS, 5, 5, 2),)
    )
    assert now.failed == {failed[0]: "RuntimeError: no memory", failed[1]: "ProxyError: diverged"}
    sound = [[label for label in one.labels if label not in failed][: one.places] for one in lists]
    assert sorted(now.promoted) == sorted(label for labels in sound for label in labels) and len(now.promoted) == 5
    again = Trainer()  # nothing is left
    carry_out(study, space, task, again)
    assert again.asked == [] and stands(study) == now
    study.close()


def test_a_full_memory_costs_a_promoted_design_nothing(opened: Open, space: SearchSpace, task: Task) -> None:
    class FullOnce(Trainer):
        def __call__(self, architecture: Architecture, *args: Any) -> RungScore:
            first, label = architecture.key not in seen, args[1]
            seen.add(architecture.key)
            if first:
                raise OutOfMemory(f"out of memory: {label}")
            return super().__call__(architecture, *args)

    study, seen = opened("one"), set[str]()
    carry_out(study, space, task, FullOnce())
    now = stands(study)
    assert now.finished and now.failed == {} and len(scores_of(study)) == len(now.promoted) == 5
    study.close()


def test_a_fault_that_is_not_the_designs_stops_the_search_and_costs_none_its_place(
    opened: Open, space: SearchSpace, task: Task
) -> None:
    study = opened("one")
    every = {record.label: MemoryError("full") for record in [*study.records(), *study.baselines()]}
    broken = Trainer(every)
    with pytest.raises(ProxyError, match=rf"{FAILURES_IN_A_ROW} trials failed in a row, the last with: MemoryError"):
        carry_out(study, space, task, broken)
    assert len(broken.asked) == FAILURES_IN_A_ROW == len(stands(study).failed)
    carry_out(study, space, task, Trainer())
    known = estimates([*study.records(), *study.baselines()], {})
    best = [
        one.labels[: one.places]
        for one in shortlists(study.records(), study.baselines(), known, study.limits.target_ms, PLACES)
    ]
    assert sorted(stands(study).promoted) == sorted(label for labels in best for label in labels)
    assert stands(study).failed == {} and stands(study).finished
    study.close()


def test_what_stops_a_search_is_no_failure(opened: Open, space: SearchSpace, task: Task) -> None:
    study = opened("one")
    for error in (KeyboardInterrupt(), DataChanged("other pictures"), StorageError("disk full")):
        with pytest.raises(type(error)):
            carry_out(study, space, task, Trainer({record.label: error for record in study.records()}))
        now = stands(study)
        assert now.failed == {} and len(now.missing) == 5
    assert carry_out(study, space, task, Trainer(), max_seconds=0.0).ended == "budget"  # nothing but its rung is left
    assert stands(study).promoted == now.promoted and stands(study).finished
    assert carry_out(study, space, task, Trainer(), max_seconds=0.0).ended == "budget"  # nothing was left to do
    study.close()


def test_workers_train_beside_each_other(opened: Open, space: SearchSpace, task: Task) -> None:
    study = opened("one")
    scheduler = TrialScheduler(
        study,
        Proposer(space, sampler="random", seed=0, limits=study.limits),
        budget=BUDGET,
        baselines=BASELINES,
        rungs=RUNGS,
        parallel=2,
    )
    first, second = scheduler.ask(), scheduler.ask()
    assert isinstance(first, PendingTrial) and isinstance(second, PendingTrial) and scheduler.ask() is NoTrial.WAIT
    assert first.label != second.label and first.more == second.more == Promotion(STEPS)
    scheduler.tell(first, RungScore(Score(0.5, 0.6), STEPS, 1.0, 0.01))
    third = scheduler.ask()
    assert isinstance(third, PendingTrial) and third.label not in (first.label, second.label)
    with pytest.raises(TypeError, match="Score is no answer to Promotion"):
        scheduler.tell(second, Score(0.5, 0.6))
    study.close()


@pytest.mark.parametrize("more", [None, Replicate(2), Promotion(400), Promotion(1200, 0.006)])
def test_an_assignment_travels_to_a_worker(space: SearchSpace, more: Replicate | Promotion | None) -> None:
    assignment = PendingTrial(3, "source-96", space.smallest()[0], True, more)
    assert PENDING.validate_json(PENDING.dump_json(assignment)) == assignment


def test_rungs_are_part_of_what_a_search_is(settings: SearchSettings) -> None:
    longer = changed(settings, rungs=[STEPS])
    assert SearchSettings.from_dict(longer.to_dict()) == longer != settings and longer.digest != settings.digest
    assert "rungs: [] there, [40] asked" in settings.differences(longer)
