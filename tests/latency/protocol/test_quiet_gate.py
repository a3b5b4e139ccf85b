"""The quiet gate: what the references say of the device decides, and nothing that a candidate does."""

import math

import pytest

from nas.latency.protocol.collect import Disturbance, Slice
from nas.latency.protocol.plan import PLANS
from nas.latency.protocol.quiet_gate import MOST_CLOCK, quiet_gate
from tests.latency.conftest import CALIBRATION


def _slice(clock: float = 1.0, memory: float = 1.0, candidate: float = 5.0) -> Slice:
    compute = CALIBRATION.compute_ms * clock
    return (candidate,) * 4, (compute,) * 20, (CALIBRATION.memory_ms * clock * memory,) * 10


@pytest.mark.parametrize(
    "one", [_slice(), _slice(clock=0.9), _slice(clock=1.99), _slice(memory=1.29), _slice(0.9, 0.8)]
)
def test_what_can_be_set_in_relation_is_kept(one: Slice) -> None:
    assert quiet_gate(CALIBRATION, 1.3, 1.5)(one) is None


@pytest.mark.parametrize("candidate", [0.01, 5000.0])
def test_a_candidate_has_no_say(candidate: float) -> None:
    gate = quiet_gate(CALIBRATION, 1.3, 1.5)
    assert gate(_slice(candidate=candidate)) is None
    assert gate(_slice(memory=1.4, candidate=candidate)) is not None


def test_a_slow_clock_is_told_as_such_and_cannot_be_borne() -> None:
    text = "its processor ran 2.50 times as slowly as when it was calibrated (at most 2)"
    assert quiet_gate(CALIBRATION, 1.3, 1.5)(_slice(clock=2.5)) == Disturbance(text, bearable=False)
    assert MOST_CLOCK == 2


@pytest.mark.parametrize(("memory", "bearable"), [(1.4, True), (1.49, True), (1.51, False)])
def test_contended_memory_is_told_as_such_and_borne_up_to_a_point(memory: float, bearable: bool) -> None:
    text = (
        f"something else used its cache and memory: memory-bound work ran {memory:.2f} times as slowly as when it was "
        "calibrated (at most 1.3)"
    )
    assert quiet_gate(CALIBRATION, 1.3, 1.5)(_slice(clock=1.5, memory=memory)) == Disturbance(text, bearable)


def test_a_slice_is_judged_by_its_low_quantile() -> None:
    candidate, compute, memory = _slice()
    burst = (candidate, compute[:10] + (9.0,) * 10, memory[:5] + (9.0,) * 5)
    assert quiet_gate(CALIBRATION, 1.05, 1.5)(burst) is None


def test_a_finalist_is_asked_for_a_quieter_device_than_a_screening() -> None:
    finalist, screening = PLANS["finalist"], PLANS["screening"]
    assert 1 < finalist.quiet_memory < screening.quiet_memory < screening.most_memory < math.inf
