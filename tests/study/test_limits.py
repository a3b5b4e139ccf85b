"""The gate: a candidate is rejected for its latency only when the whole interval lies above the target."""

from dataclasses import replace

import pytest

from nas.search.evaluate import Task
from nas.space.reference_designs import yolo11
from nas.study.limits import Limits, Violation
from tests.search.conftest import formula_latency


@pytest.mark.parametrize(
    ("low_ms", "latency_ms", "high_ms", "rejected"),
    [
        (2.30, 2.40, 2.50, False),
        (2.40, 2.50, 2.60, False),
        (2.45, 2.60, 2.75, False),  # the estimate is above, but it may well meet the target
        (2.50, 2.60, 2.70, False),
        (2.51, 2.60, 2.70, True),
        (9.00, 9.10, 9.20, True),
    ],
)
def test_only_a_whole_interval_above_the_target_rejects(
    task: Task, low_ms: float, latency_ms: float, high_ms: float, rejected: bool
) -> None:
    measured = replace(formula_latency(yolo11("n", 96), task), low_ms=low_ms, latency_ms=latency_ms, high_ms=high_ms)
    broken = Limits(2.5).check(measured, 1000, 0.1, 4000)
    assert bool(broken) == rejected
    if rejected:
        assert [one.text for one in broken] == [f"latency {low_ms:.3f} to {high_ms:.3f} ms is above the target 2.5 ms"]


def test_every_broken_limit_is_told(task: Task) -> None:
    measured = replace(formula_latency(yolo11("n", 96), task), low_ms=3.0, latency_ms=3.1, high_ms=3.2)
    limits = Limits(2.5, max_params=999, max_gflops=0.05, max_bytes=3999)
    assert limits.check(measured, 1000, 0.1, 4000) == (
        Violation("latency", "latency 3.000 to 3.200 ms is above the target 2.5 ms"),
        Violation("params", "1000 parameters are above the limit 999"),
        Violation("gflops", "0.100 GFLOPs are above the limit 0.05"),
        Violation("size", "the ONNX file of 4000 bytes is above the limit 3999 bytes"),
    )
    assert limits.check(replace(measured, low_ms=2.0), 999, 0.05, 3999) == ()


@pytest.mark.parametrize(
    ("limits", "used"),
    [
        (Limits(2.0), 0.5),
        (Limits(0.5), 2.0),
        (Limits(2.0, max_params=1250), 0.8),
        (Limits(2.0, max_params=1250, max_gflops=0.11, max_bytes=8000), 0.1 / 0.11),
        (Limits(2.0, max_bytes=2000), 2.0),
    ],
)
def test_the_limit_that_binds_first_is_the_one_that_is_used_most(task: Task, limits: Limits, used: float) -> None:
    measured = replace(formula_latency(yolo11("n", 96), task), latency_ms=1.0)
    assert limits.used(measured, 1000, 0.1, 4000) == pytest.approx(used)
