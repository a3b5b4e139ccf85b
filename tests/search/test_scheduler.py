"""Whole searches by formula: budget, gate, baselines, resume, failures, limits."""

import gc
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial

from nas.architecture.architecture import Architecture
from nas.errors import ProxyError
from nas.proxy import Score
from nas.search.evaluate import Task
from nas.search.executors import inline
from nas.search.pending_trial import NoTrial, PendingTrial, Replicate
from nas.search.progress import OtherSeeds, Progress
from nas.search.proposals import Proposer
from nas.search.scheduler import FAILURES_IN_A_ROW, TrialScheduler
from nas.space.reference_designs import yolo11
from nas.space.space import SearchSpace
from nas.study.accuracy import TOP_K, estimates, top_candidates
from nas.study.evaluation import Evaluation
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy

Evaluate = Callable[..., Evaluation]


def open_study(folder: Path, settings: SearchSettings, sizes: dict[str, int]) -> StoredStudy:
    return StoredStudy(folder, settings, sizes)


def test_a_budget_counts_trained_candidates_only(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Evaluate,
) -> None:
    study = open_study(tmp_path, settings, sizes)
    seen: list[Progress] = []
    scheduler = TrialScheduler(
        study,
        Proposer(space, sampler="random", seed=0, limits=study.limits),
        budget=8,
        baselines={"yolo11n": yolo11("n", 160)},
        on_progress=seen.append,
    )
    inline.run(scheduler, task, by_formula)
    records = study.records()
    assert scheduler.ended == "budget"
    assert sum(r.status == "trained" for r in records) == 8
    assert any(r.status == "rejected" for r in records)
    assert all(r.evaluation.latency.above(2.5) == (r.status == "rejected") for r in records if r.evaluation)
    (baseline,) = study.baselines()
    assert baseline.status == "trained" and baseline.evaluation and baseline.evaluation.violations
    assert len({r.key for r in records}) == len(records)
    assert seen[-1].trained == 8
    study.close()


@pytest.mark.slow
def test_a_resumed_search_proposes_what_an_uninterrupted_one_does(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Evaluate,
) -> None:
    def run(folder: Path, budgets: list[int]) -> list[str]:
        for budget in budgets:
            study = open_study(folder, settings, sizes)
            inline.run(
                TrialScheduler(study, Proposer(space, sampler="gp", seed=3, limits=study.limits), budget=budget),
                task,
                by_formula,
            )
            keys = [record.key for record in study.records()]
            study.close()
        return keys

    assert run(tmp_path / "whole", [12]) == run(tmp_path / "parts", [4, 11, 12])


def test_an_orphan_is_tried_again_and_counted_once(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Evaluate,
) -> None:
    study = open_study(tmp_path, settings, sizes)
    scheduler = TrialScheduler(study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=3)
    first = scheduler.ask()
    assert isinstance(first, PendingTrial)
    study.close()  # the process died while the first trial ran

    study = open_study(tmp_path, settings, sizes)
    inline.run(
        TrialScheduler(study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=3),
        task,
        by_formula,
    )
    records = study.records()
    assert records[0].status == "interrupted"
    assert records[1].key == first.architecture.key and records[1].retried == 0
    assert sum(r.status == "trained" for r in records) == 3
    assert study.orphans() == []
    study.close()


def test_a_trial_killed_before_it_was_told_is_not_lost(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Evaluate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = open_study(tmp_path, settings, sizes)
    assignment = TrialScheduler(study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=1).ask()
    assert isinstance(assignment, PendingTrial)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "_tell", killed)
    with pytest.raises(KeyboardInterrupt):
        study.finish(assignment.number, by_formula(assignment.architecture, task, always_train=True))
    study.close()
    study = open_study(tmp_path, settings, sizes)
    assert study.orphans() == []
    assert [r.status for r in study.records()] == ["trained"]
    study.close()


def test_failures_are_kept_with_their_reason_and_stop_a_hopeless_search(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    def broken(*_: object) -> Evaluation:
        raise RuntimeError("no memory left")

    study = open_study(tmp_path, settings, sizes)
    with pytest.raises(ProxyError, match=r"5 trials failed in a row.*no memory left"):
        inline.run(
            TrialScheduler(study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=9),
            task,
            broken,
        )
    records = study.records()
    assert [r.status for r in records] == ["failed"] * FAILURES_IN_A_ROW
    assert all(r.reason == "RuntimeError: no memory left" and r.evaluation is None for r in records)
    study.close()


def test_a_gpu_that_fails_in_this_process_stops_a_search_and_its_trial_is_repeated(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    def fails(*_: object) -> Evaluation:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be")

    study = open_study(tmp_path, settings, sizes)
    with pytest.raises(
        ProxyError, match=r"stopped at trial-0: CUDA error: an illegal .* encountered\. Nothing computes"
    ):
        inline.run(
            TrialScheduler(study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=9),
            task,
            fails,
        )
    assert [record.status for record in study.records()] == ["running"]
    study.close()


def test_of_a_finished_trial_its_record_alone_is_kept_in_memory(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Evaluate,
) -> None:
    def kept() -> int:
        gc.collect()
        return sum(type(one) is FrozenTrial for one in gc.get_objects())

    before = kept()
    study = open_study(tmp_path, settings, sizes)
    proposer = Proposer(space, sampler="random", seed=0, limits=study.limits)
    inline.run(TrialScheduler(study, proposer, budget=4), task, by_formula)
    after = kept()
    trials = len(study.records())
    study.close()
    assert trials >= 4 and after <= before


def test_a_clock_that_is_set_back_changes_nothing(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Evaluate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    days = 0

    class SetBack(datetime):
        @classmethod
        def now(cls, *zone: Any) -> datetime:  # type: ignore[override]
            return datetime.now(*zone) - timedelta(days=days)

    def evaluate(*asked: Any) -> Evaluation:  # a day back with every trial
        nonlocal days
        days += 1
        return by_formula(*asked)

    monkeypatch.setattr("optuna.storages._rdb.storage.datetime", SetBack)
    monkeypatch.setattr("time.time", lambda: SetBack.now().timestamp())
    for budget in (3, 5):
        study = open_study(tmp_path, settings, sizes)
        proposer = Proposer(space, sampler="random", seed=0, limits=study.limits)
        scheduler = TrialScheduler(study, proposer, budget=budget, max_seconds=3600.0)
        inline.run(scheduler, task, evaluate)
        study.close()
        records = study.records()
        assert scheduler.ended == "budget" and sum(r.status == "trained" for r in records) == budget
        assert [r.number for r in records] == list(range(len(records)))
    ended = [one.datetime_complete for one in study._studies["search"].get_trials() if one.datetime_complete]
    assert ended == sorted(ended, reverse=True) and ended[0] - ended[-1] > timedelta(days=3)


@pytest.mark.slow
def test_a_space_of_one_architecture_is_searched_to_its_end(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, by_formula: Evaluate
) -> None:
    single = replace(space, dimensions=tuple(replace(one, choices=one.choices[:1]) for one in space.dimensions))
    study = open_study(tmp_path, settings, {dimension.name: 1 for dimension in single.dimensions})
    scheduler = TrialScheduler(study, Proposer(single, sampler="gp", seed=0, limits=study.limits), budget=2)
    inline.run(scheduler, task, by_formula)
    assert scheduler.ended == "exhausted" and [r.status for r in study.records()] == ["trained"]
    study.close()


def test_time_ends_a_search(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Evaluate,
) -> None:
    ticks = iter(range(0, 10_000, 10))
    study = open_study(tmp_path, settings, sizes)
    scheduler = TrialScheduler(
        study,
        Proposer(space, sampler="random", seed=0, limits=study.limits),
        budget=500,
        max_seconds=200,
        clock=lambda: float(next(ticks)),
    )
    inline.run(scheduler, task, by_formula)
    assert scheduler.ended == "time"
    assert 0 < sum(r.status == "trained" for r in study.records()) < 500
    study.close()


@pytest.mark.slow
def test_a_target_that_rejects_nearly_all_ends_with_a_reason(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Evaluate,
) -> None:
    study = open_study(tmp_path, settings, sizes)
    strict = replace(task, limits=replace(task.limits, target_ms=0.01))
    scheduler = TrialScheduler(study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=1)
    inline.run(scheduler, strict, by_formula)
    assert scheduler.ended == "rejections"
    study.close()


@pytest.mark.slow
def test_the_best_are_trained_with_more_seeds(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Evaluate,
) -> None:
    study = open_study(tmp_path, settings, sizes)
    asked: list[tuple[str, int]] = []

    def again(architecture: Architecture, task: Task, number: int) -> Score:
        asked.append((architecture.key, number))
        if len(asked) == 3:
            raise ProxyError("diverged")
        if len(asked) == 5:
            raise KeyboardInterrupt
        return Score(0.5, 0.6)

    def scheduler(**more: Any) -> TrialScheduler:
        baselines = {"yolo11n": yolo11("n", 160), "yolo11-scaled": yolo11("n", 96, 0.25)}
        return TrialScheduler(
            study,
            Proposer(space, sampler="random", seed=0, limits=study.limits),
            budget=12,
            baselines=baselines,
            replicates=2,
            **more,
        )

    first = scheduler()
    with pytest.raises(KeyboardInterrupt):
        inline.run(first, task, by_formula, again)
    assert sum(r.status == "trained" for r in study.records()) == 12
    assert sum(len(scores) for scores in study.repeats().values()) == 3
    assert (phase := first.progress().other_seeds) is not None and phase.failed == 1

    late = scheduler(max_seconds=0.0)
    inline.run(late, task, by_formula, again)
    assert late.ended == "time"
    resumed = scheduler()
    inline.run(resumed, task, by_formula, again)
    assert resumed.ended == "budget"
    again_late = scheduler(max_seconds=0.0)  # nothing is left to do: that is no early end
    inline.run(again_late, task, by_formula, again)
    assert again_late.ended == "budget"

    chosen = top_candidates(study.records(), study.baselines(), study.repeats())
    assert len(chosen) == TOP_K + 1 and [r.label for r in chosen if r.baseline] == ["yolo11-scaled"]
    assert all(r.evaluation and not r.evaluation.violations for r in chosen)
    repeats = study.repeats()
    assert {label: sorted(scores) for label, scores in repeats.items()} == {r.label: ["1", "2"] for r in chosen}
    assert len(asked) == len(set(asked)) + 2 == 2 * len(chosen) + 2  # the failed and the interrupted one again
    assert resumed.progress().other_seeds == OtherSeeds(8, 8, 0)

    first_known = estimates([*study.baselines(), *study.records()], {})
    known = estimates([*study.baselines(), *study.records()], repeats)
    for record in chosen:
        assert known.accuracy(record.label) > first_known.accuracy(record.label)  # all of their new scores are high
        assert known.seeds(record.label) == 3
    study.close()


@pytest.mark.slow
def test_whoever_takes_the_place_of_a_lucky_one_is_trained_with_other_seeds_too(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Evaluate,
) -> None:
    study = open_study(tmp_path, settings, sizes)
    scheduler = TrialScheduler(
        study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=12, replicates=2
    )
    asked: list[str] = []

    def again(architecture: Architecture, task: Task, number: int) -> Score:
        first = next(r for r in study.records() if r.key == architecture.key)
        assert first.evaluation and first.evaluation.score
        asked.append(first.label)
        return Score(0.0, 0.0) if first.label == asked[0] else first.evaluation.score

    inline.run(scheduler, task, by_formula, again)
    repeats = study.repeats()
    chosen = [r.label for r in top_candidates(study.records(), study.baselines(), repeats)]
    assert asked[0] not in chosen
    assert len(chosen) == TOP_K and all(sorted(repeats[label]) == ["1", "2"] for label in chosen)
    phase = scheduler.progress().other_seeds
    assert phase is not None and phase.of == phase.done == sum(map(len, repeats.values()))
    study.close()


@pytest.mark.slow
def test_repetitions_that_all_fail_stop_the_search(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Evaluate,
) -> None:
    study = open_study(tmp_path, settings, sizes)

    def broken(architecture: Architecture, task: Task, number: int) -> Score:
        raise MemoryError("no memory")

    scheduler = TrialScheduler(
        study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=8, replicates=2
    )
    with pytest.raises(ProxyError, match="in a row, the last with: MemoryError: no memory"):
        inline.run(scheduler, task, by_formula, broken)
    assert study.repeats() == {}
    study.close()


def test_without_enough_scores_a_design_counts_by_the_mean_of_its_own(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Evaluate,
) -> None:
    study = open_study(tmp_path, settings, sizes)
    inline.run(
        TrialScheduler(study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=2),
        task,
        by_formula,
    )
    record = next(r for r in study.records() if r.status == "trained")
    assert record.evaluation and record.evaluation.score
    known = estimates(study.records(), {record.label: {"1": 0.5, "2": 0.6}})
    assert known.interval(record.label) is None and known.seeds(record.label) == 3
    assert known.accuracy(record.label) == pytest.approx((record.evaluation.score.map50_95 + 1.1) / 3)
    study.close()


def test_time_that_runs_out_beside_the_last_repetition_is_no_early_end(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    by_formula: Evaluate,
) -> None:
    study = open_study(tmp_path, settings, sizes)
    inline.run(
        TrialScheduler(study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=1),
        task,
        by_formula,
    )
    now = [0.0]
    scheduler = TrialScheduler(
        study,
        Proposer(space, sampler="random", seed=0, limits=study.limits),
        budget=1,
        replicates=1,
        max_seconds=9.0,
        clock=lambda: now[0],
        parallel=2,
    )
    last = scheduler.ask()
    assert isinstance(last, PendingTrial) and last.more == Replicate(1)
    now[0] = 10.0
    assert scheduler.ask() is NoTrial.WAIT
    scheduler.tell(last, Score(0.5, 0.6))
    assert scheduler.ask() is NoTrial.DONE and scheduler.ended == "budget"
    study.close()
