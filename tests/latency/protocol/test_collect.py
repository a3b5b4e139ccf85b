"""The protocol on a machine with an injected clock: what it keeps, when it stops, what it refuses."""

import gc
import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from nas.errors import Unmeasurable
from nas.latency.protocol.collect import Disturbance, Gate, Slice, Trace, collect, pooled_figures, slice_figures
from nas.latency.protocol.plan import PLANS, Plan
from tests.latency.machine import FakeMachine

SCREENING, FINALIST = PLANS["screening"], PLANS["finalist"]
KEPT = {"runs_preempted": 0, "slices_preempted": 0, "slices_stolen": 0, "slices_throttled": 0, "slices_contended": 0}


NEIGHBOUR = Disturbance("a neighbour", bearable=False)


def _enough(slices: Sequence[Slice]) -> bool:
    return len(slices) >= SCREENING.min_slices


def _never(slices: Sequence[Slice]) -> bool:
    return False


def _collect(
    machine: FakeMachine,
    plan: Plan = SCREENING,
    judge: object = _enough,
    gate: Gate = lambda one: None,
    threads: int = 1,
) -> Trace:
    return collect(machine.contestants, plan, machine.probe(threads), judge, gate, random.Random(0))  # type: ignore[arg-type]


def _times(trace: Trace, contestant: int = 0) -> set[float]:
    return {round(run, 6) for one in trace.slices for run in one[contestant]}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_on_a_steady_machine_every_run_is_kept_as_it_was(plan: Plan) -> None:
    trace = _collect(FakeMachine.steady(2.0, 0.3, 5.0), plan)
    assert (_times(trace, 0), _times(trace, 1), _times(trace, 2)) == ({2.0}, {0.3}, {5.0})
    assert trace.dropped == KEPT
    assert len(trace.slices) == plan.min_slices
    assert slice_figures(trace.slices) == pytest.approx(np.array([[2.0, 0.3, 5.0]] * 4))
    assert pooled_figures(trace.slices) == pytest.approx(np.array([2.0, 0.3, 5.0]))


def test_every_slice_goes_there_and_back_in_an_order_of_its_own() -> None:
    # Slow enough for one run a block with no untimed one: every entry of the order is a block.
    machine = FakeMachine.steady(30.0, 30.0, 30.0)
    trace = _collect(machine, judge=lambda slices: len(slices) == 12)
    after_warm_up = machine.order[-6 * len(trace.slices) :]
    slices = [tuple(after_warm_up[start : start + 6]) for start in range(0, len(after_warm_up), 6)]
    for one in slices:
        assert sorted(one[:3]) == [0, 1, 2]
        assert one[3:] == one[2::-1]
    assert len(set(slices)) > 3


def test_even_drift_falls_on_all_alike() -> None:
    # The machine gets slower by a percent a second; equal models stay equal though never timed at the same moment.
    machine = FakeMachine.steady(2.0, 2.0, 2.0, slowed=lambda machine, contestant: 1 + machine.now_s / 100)
    trace = _collect(machine, judge=lambda slices: len(slices) == 10)
    for one in trace.slices:
        means = [sum(runs) / len(runs) for runs in one]
        assert max(means) / min(means) - 1 < 1e-4
    first, last = (sum(trace.slices[index][0]) / len(trace.slices[index][0]) for index in (0, -1))
    assert last / first - 1 > 1e-3


def test_the_first_run_of_a_block_is_not_timed() -> None:
    # It finds the caches full of another model's weights.
    machine = FakeMachine.steady(
        2.0,
        3.0,
        slowed=lambda machine, contestant: 4.0 if machine.order[-1:] not in ([], [contestant]) else 1.0,
    )
    trace = _collect(machine)
    assert _times(trace, 0) == {2.0} and _times(trace, 1) == {3.0}


@pytest.mark.parametrize(("time_ms", "runs"), [(0.5, 40), (2.0, 10), (9.0, 2), (30.0, 1), (900.0, 1)])
def test_a_block_lasts_twenty_milliseconds_or_one_run(time_ms: float, runs: int) -> None:
    trace = _collect(FakeMachine.steady(time_ms, 1.0))
    assert {len(one[0]) for one in trace.slices} == {2 * runs}
    assert len(trace.slices) == SCREENING.min_slices


def test_warm_up_lasts_until_two_windows_agree() -> None:
    cooling = (2.0 + 20.0 * 0.9**run for run in itertools.count())
    assert max(_times(_collect(FakeMachine([cooling])))) < 2.2


def test_warm_up_is_capped() -> None:
    # Ever faster, so no two windows ever agree.
    machine = FakeMachine([(max(2.0, 60.0 * 0.93**run) for run in itertools.count())])
    trace = _collect(machine, replace(SCREENING, warmup_s=0.2, measure_s=1.0))
    assert trace.seconds < 1.0
    assert max(_times(trace)) > 2.2


def test_preempted_runs_are_dropped_and_colour_nothing() -> None:
    machine = FakeMachine.steady(2.0, 3.0, preempt=lambda run: 3.0 if run % 3 == 0 else 0.0)
    trace = _collect(machine)
    assert _times(trace, 0) == {2.0} and _times(trace, 1) == {3.0}
    assert trace.dropped == {**KEPT, "runs_preempted": trace.dropped["runs_preempted"]}
    assert trace.dropped["runs_preempted"] > 0


def test_slow_runs_that_nothing_disturbed_are_kept() -> None:
    # By cause, never by value: a quarter of the runs is ten times as slow for reasons of the model's own.
    machine = FakeMachine([itertools.cycle([20.0, 2.0, 2.0, 2.0]), itertools.repeat(1.0)])
    trace = _collect(machine, FINALIST)
    assert trace.dropped == KEPT
    assert _times(trace) == {2.0, 20.0}


def test_a_short_interruption_of_a_long_run_is_kept() -> None:
    trace = _collect(FakeMachine.steady(400.0, preempt=lambda run: 0.05))
    assert trace.dropped == KEPT
    assert _times(trace) == {400.05}


def test_with_several_threads_the_switches_are_counted_instead() -> None:
    disturbed = FakeMachine.steady(2.0, preempt=lambda run: 3.0 if run % 2 else 0.0)
    trace = _collect(disturbed, threads=2)
    assert _times(trace) == {2.0}
    assert trace.dropped["runs_preempted"] > 0


def test_a_disturbed_machine_is_given_rests_between_runs() -> None:
    machine = FakeMachine.steady(2.0, preempt=lambda run: 3.0 if run % 2 else 0.0)
    trace = _collect(machine)
    assert machine.rests == trace.dropped["runs_preempted"] > 0


def test_a_slice_in_which_one_had_no_undisturbed_run_is_dropped() -> None:
    machine = FakeMachine.steady(30.0, 30.0, preempt=lambda run: 3.0 if 4 <= run < 8 else 0.0)  # all of one slice
    trace = _collect(machine)
    assert trace.dropped == {**KEPT, "runs_preempted": 4, "slices_preempted": 1}
    assert len(trace.slices) == SCREENING.min_slices


def test_slices_that_the_hypervisor_stole_from_are_dropped() -> None:
    # A stolen run takes longer, and no counter of the thread's tells.
    stolen = lambda run: run % 100 == 0  # noqa: E731
    machine = FakeMachine.steady(
        2.0, 2.0, steal=stolen, slowed=lambda machine, contestant: 1.5 if stolen(len(machine.order)) else 1.0
    )
    trace = _collect(machine)
    assert trace.dropped == {**KEPT, "slices_stolen": trace.dropped["slices_stolen"]}
    assert trace.dropped["slices_stolen"] > 0
    assert _times(trace, 0) == _times(trace, 1) == {2.0}


def test_ticks_of_two_processors_are_not_compared() -> None:
    machine = FakeMachine.steady(2.0)
    asked = zip(itertools.cycle([0, 1]), itertools.count())
    moving = replace(machine.probe(), stolen=lambda: next(asked))
    trace = collect(machine.contestants, SCREENING, moving, _enough)
    assert trace.dropped["slices_stolen"] == 0


def test_slices_that_ran_hot_are_dropped() -> None:
    hot = lambda run: run % 100 == 0  # noqa: E731
    machine = FakeMachine.steady(
        2.0, 2.0, throttle=hot, slowed=lambda machine, contestant: 1.2 if hot(len(machine.order)) else 1.0
    )
    trace = _collect(machine)
    assert trace.dropped == {**KEPT, "slices_throttled": trace.dropped["slices_throttled"]}
    assert trace.dropped["slices_throttled"] > 0
    assert _times(trace, 0) == _times(trace, 1) == {2.0}


def test_slices_that_the_gate_objects_to_are_dropped_and_the_machine_is_left_alone() -> None:
    told: list[Slice] = []

    def every_other(one: Slice) -> Disturbance | None:
        told.append(one)
        return NEIGHBOUR if len(told) % 2 else None

    machine = FakeMachine.steady(2.0, 3.0)
    trace = _collect(machine, gate=every_other)
    assert trace.dropped == {**KEPT, "slices_contended": 4}
    assert machine.pauses == 4
    assert len(trace.slices) == 4 and len(told) == 8
    assert all(len(one) == 2 for one in told)  # every contestant's runs


def test_what_can_be_borne_is_used_only_when_patience_ends() -> None:
    told = itertools.count()

    def gate(one: Slice) -> Disturbance | None:
        number = next(told)
        return None if number == 3 else Disturbance("a neighbour", bearable=number % 3 == 1)

    # The later, the slower.
    plan = replace(SCREENING, patience_s=4.0)
    trace = _collect(FakeMachine.steady(2.0, 3.0, slowed=lambda machine, _: 1 + machine.now_s / 100), plan, gate=gate)
    bearable = sum(number % 3 == 1 for number in range(next(told)))
    assert len(trace.slices) == 1 + bearable > SCREENING.min_slices
    assert trace.dropped["slices_contended"] > bearable
    assert trace.seconds > plan.patience_s
    assert [one[0] for one in trace.slices] == sorted(one[0] for one in trace.slices)  # as they were measured
    # With enough that nothing speaks against, none of the others is.
    told = itertools.count()
    setback = Disturbance("a neighbour", bearable=True)
    quiet = _collect(FakeMachine.steady(2.0, 3.0), gate=lambda one: setback if next(told) % 2 else None)
    assert len(quiet.slices) == SCREENING.min_slices
    assert quiet.dropped["slices_contended"] == SCREENING.min_slices - 1


def test_what_went_into_disturbed_slices_is_told_apart() -> None:
    told = itertools.count()
    disturbed = _collect(FakeMachine.steady(2.0, 3.0), gate=lambda one: NEIGHBOUR if next(told) % 2 else None)
    calm = _collect(FakeMachine.steady(2.0, 3.0))
    assert calm.waited_s == 0.0
    assert disturbed.waited_s > 0.0
    assert disturbed.seconds - disturbed.waited_s == pytest.approx(calm.seconds)


def test_the_judge_is_asked_after_every_kept_slice_and_ends_it() -> None:
    asked: list[int] = []

    def judge(slices: Sequence[Slice]) -> bool:
        asked.append(len(slices))
        return len(slices) == 9

    trace = _collect(FakeMachine.steady(2.0, 3.0), judge=judge)
    assert asked == [2, 3, 4, 5, 6, 7, 8, 9]
    assert len(trace.slices) == 9


def test_the_judge_may_have_enough_at_the_first_look() -> None:
    trace = _collect(FakeMachine.steady(2.0, 3.0), judge=lambda slices: True)
    assert len(trace.slices) == SCREENING.first_look < SCREENING.min_slices
    told = itertools.count()
    with pytest.raises(Unmeasurable, match=r"3 slices are left \(at least 4 are needed"):
        _collect(FakeMachine.steady(2.0), judge=_never, gate=lambda one: None if next(told) < 3 else NEIGHBOUR)


def test_a_screening_that_sees_enough_at_once_takes_a_second_even_for_a_slow_model() -> None:
    trace = _collect(FakeMachine.steady(60.0, 0.35, 2.0), judge=lambda slices: True)
    assert trace.seconds < 1.0


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_undisturbed_time_is_capped(plan: Plan) -> None:
    trace = _collect(FakeMachine.steady(2.0, 0.4, 2.5), plan, _never)
    assert plan.measure_s < trace.seconds < plan.measure_s + plan.warmup_s + 0.5


def test_time_on_a_disturbed_machine_is_capped_and_what_is_known_then_is_judged() -> None:
    # Half of the slices are contended, so undisturbed time is never up.
    kept = itertools.count()
    machine = FakeMachine.steady(2.0, 0.4, 2.5)
    trace = _collect(machine, SCREENING, _never, lambda one: None if next(kept) % 2 == 0 else NEIGHBOUR)
    assert SCREENING.patience_s < trace.seconds < SCREENING.patience_s + 1.5
    assert len(trace.slices) >= SCREENING.min_slices


def test_a_very_slow_model_gets_its_slices_all_the_same_and_a_disturbed_one_a_second_chance() -> None:
    assert len(_collect(FakeMachine.steady(5000.0, 1.0)).slices) == SCREENING.min_slices
    tried = itertools.count()
    trace = _collect(FakeMachine.steady(5000.0), gate=lambda one: NEIGHBOUR if next(tried) < 4 else None)
    assert len(trace.slices) == SCREENING.min_slices
    tried = itertools.count()
    with pytest.raises(Unmeasurable, match="3 slices are left"):
        _collect(FakeMachine.steady(5000.0), gate=lambda one: NEIGHBOUR if next(tried) < 5 else None)


@pytest.mark.parametrize(
    ("disturbance", "contended", "message"),
    [
        ({"preempt": lambda run: 3.0}, False, r"lost: [1-9]\d* to preemption; (\d+) of \1 runs were preempted"),
        ({"steal": lambda run: True}, False, r"lost: [1-9]\d* to the hypervisor"),
        ({"throttle": lambda run: True}, False, r"lost: [1-9]\d* to throttling"),
        (
            {},
            True,
            r"0 slices are left \(at least 4 are needed\), lost: [1-9]\d* to a contended device \(a neighbour\)",
        ),
    ],
    ids=["preempted", "stolen", "throttled", "contended"],
)
def test_too_little_left_is_refused_with_the_counts(
    disturbance: dict[str, object], contended: bool, message: str
) -> None:
    machine = FakeMachine.steady(2.0, 3.0, **disturbance)  # type: ignore[arg-type]
    with pytest.raises(Unmeasurable, match=f"^unmeasurable: .*{message}.*; stop other programs there"):
        _collect(machine, gate=lambda one: NEIGHBOUR if contended else None)


def test_too_few_undisturbed_runs_are_refused_even_when_they_agree() -> None:
    with pytest.raises(Unmeasurable, match=r"[1-9]\d* of \d+ runs were preempted \(at most 90%\)"):
        _collect(FakeMachine.steady(0.2, preempt=lambda run: 0.0 if run % 20 == 0 else 3.0))


@pytest.mark.parametrize("was_on", [True, False])
def test_garbage_collection_rests_and_is_as_before(was_on: bool) -> None:
    seen = []
    machine = FakeMachine.steady(2.0)

    def run() -> None:
        seen.append(gc.isenabled())
        machine.contestants[0]()

    try:
        if not was_on:
            gc.disable()
        collect([run], SCREENING, machine.probe(), _enough)
        assert gc.isenabled() == was_on
        with pytest.raises(Unmeasurable):
            collect([run], SCREENING, machine.probe(), _enough, lambda one: NEIGHBOUR)
        assert gc.isenabled() == was_on
    finally:
        gc.enable()
    assert not any(seen)


def test_several_models_are_as_patient_as_one_in_slices() -> None:
    plan = PLANS["finalist"]
    assert plan.shared_by(1) == plan
    assert plan.shared_by(4).patience_s == pytest.approx(2 * plan.patience_s)  # six contestants instead of three
    assert plan.shared_by(4).measure_s == plan.measure_s
