"""The protocol on a machine with an injected clock: what it returns, when it stops, what it refuses."""

import gc
import itertools
import random

import pytest

from nas.errors import LatencyError
from nas.latency.protocol import PLANS, Outcome, Plan, time_runs
from tests.latency.machine import FakeMachine

SCREENING, FINALIST = PLANS["screening"], PLANS["finalist"]


def _measure(machine: FakeMachine, plan: Plan = SCREENING, target_ms: float | None = None, threads: int = 1) -> Outcome:
    return time_runs(machine.run, plan, machine.probe(threads), target_ms)


def _noisy(spread: float, seed: int = 1) -> FakeMachine:
    rng = random.Random(seed)
    return FakeMachine(2.0 * (1 + rng.expovariate(1 / spread)) for _ in itertools.count())


def test_a_steady_model_is_measured_exactly_and_quickly() -> None:
    outcome = _measure(FakeMachine.steady(2.0))
    assert (outcome.latency_ms, outcome.low_ms, outcome.high_ms) == (2.0, 2.0, 2.0)
    assert len(outcome.blocks) == SCREENING.min_blocks
    assert outcome.dropped == {"runs_preempted": 0, "blocks_stolen": 0}
    assert outcome.seconds < 0.5


@pytest.mark.parametrize("plan", [SCREENING, FINALIST])
def test_the_interval_is_ordered_and_as_narrow_as_aimed_for(plan: Plan) -> None:
    outcome = _measure(_noisy(0.05), plan)
    assert outcome.low_ms <= outcome.latency_ms <= outcome.high_ms
    assert (outcome.high_ms - outcome.low_ms) / 2 <= plan.aim * outcome.latency_ms


def test_warm_up_lasts_until_two_windows_agree() -> None:
    cooling = (2.0 + 20.0 * 0.9**run for run in itertools.count())
    outcome = _measure(FakeMachine(cooling))
    assert max(outcome.blocks) < 2.2


def test_warm_up_is_capped() -> None:
    # Ever faster, so no two windows ever agree.
    machine = FakeMachine(max(2.0, 60.0 * 0.93**run) for run in itertools.count())
    plan = Plan(aim=0.02, refuse=1.0, measure_s=1.0, patience_s=2.0, warmup_s=0.2, stop_above_target=False)
    assert _measure(machine, plan).seconds < 3.0


def test_preempted_runs_are_dropped_and_do_not_colour_the_number() -> None:
    outcome = _measure(FakeMachine.steady(2.0, preempt=lambda run: 3.0 if run % 3 == 0 else 0.0))
    assert outcome.latency_ms == outcome.high_ms == 2.0
    assert outcome.dropped["runs_preempted"] > 0


def test_slow_runs_that_nothing_disturbed_are_kept() -> None:
    # By cause, never by value: a quarter of the runs is ten times as slow for reasons of the model's own.
    outcome = _measure(FakeMachine(itertools.cycle([20.0, 2.0, 2.0, 2.0])), FINALIST)
    assert outcome.dropped == {"runs_preempted": 0, "blocks_stolen": 0}


def test_a_short_interruption_of_a_long_run_is_kept() -> None:
    outcome = _measure(FakeMachine.steady(400.0, preempt=lambda run: 0.05))
    assert outcome.dropped["runs_preempted"] == 0
    assert outcome.latency_ms == pytest.approx(400.05)


def test_with_several_threads_the_switches_are_counted_instead() -> None:
    disturbed = FakeMachine.steady(2.0, preempt=lambda run: 3.0 if run % 2 else 0.0)
    outcome = _measure(disturbed, threads=2)
    assert outcome.latency_ms == 2.0
    assert outcome.dropped["runs_preempted"] > 0


def test_a_disturbed_machine_is_given_rests_between_runs() -> None:
    machine = FakeMachine.steady(2.0, preempt=lambda run: 3.0 if run % 2 else 0.0)
    outcome = _measure(machine)
    assert machine.rests == outcome.dropped["runs_preempted"]


def test_blocks_that_the_hypervisor_stole_from_are_dropped() -> None:
    outcome = _measure(FakeMachine.steady(2.0, steal=lambda run: run % 40 == 0))
    assert outcome.dropped["blocks_stolen"] > 0
    assert outcome.latency_ms == 2.0


def test_always_preempted_is_refused_with_the_counts() -> None:
    machine = FakeMachine.steady(2.0, preempt=lambda run: 3.0)
    with pytest.raises(LatencyError, match=r"unmeasurable: of (\d+) runs \1 were preempted"):
        _measure(machine)


def test_always_stolen_from_is_refused() -> None:
    with pytest.raises(LatencyError, match=r"the hypervisor disturbed \d\d+ blocks"):
        _measure(FakeMachine.steady(2.0, steal=lambda run: True))


def test_too_few_undisturbed_runs_are_refused_even_when_they_agree() -> None:
    with pytest.raises(LatencyError, match="at most 90% of the runs"):
        _measure(FakeMachine.steady(0.2, preempt=lambda run: 0.0 if run % 20 == 0 else 3.0))


def test_an_unsteady_speed_is_refused() -> None:
    rng = random.Random(3)
    machine = FakeMachine(4.0 if rng.random() < 0.5 else 2.0 for _ in itertools.count())
    plan = Plan(
        aim=0.02,
        refuse=0.05,
        measure_s=0.3,
        patience_s=0.6,
        warmup_s=0.1,
        stop_above_target=False,
        block_ms=1.0,
    )
    with pytest.raises(LatencyError, match="speed is not steady"):
        _measure(machine, plan)


def test_a_screening_ends_early_when_the_model_is_clearly_above_the_target() -> None:
    without, clear, near = (_measure(_noisy(0.3), target_ms=target) for target in (None, 0.5, 3.0))
    assert len(clear.blocks) == SCREENING.min_blocks < len(without.blocks)
    assert clear.low_ms > 0.5
    assert near.blocks == without.blocks


def test_a_finalist_is_measured_to_the_end_whatever_the_target() -> None:
    assert _measure(_noisy(0.3), FINALIST, 0.5).blocks == _measure(_noisy(0.3), FINALIST).blocks


def test_time_is_capped_for_a_model_that_is_hard_to_measure() -> None:
    for plan in (SCREENING, FINALIST):
        outcome = _measure(_noisy(1.0), plan)
        assert outcome.seconds < plan.warmup_s + plan.measure_s + 0.3


def test_a_very_slow_model_gets_its_blocks_all_the_same() -> None:
    assert len(_measure(FakeMachine.steady(900.0)).blocks) == SCREENING.min_blocks


def test_garbage_collection_rests_and_comes_back() -> None:
    seen = []
    machine = FakeMachine.steady(2.0)

    def run() -> None:
        seen.append(gc.isenabled())
        machine.run()

    time_runs(run, SCREENING, machine.probe())
    assert not any(seen)
    assert gc.isenabled()
