"""Plain statistics of back-to-back runs, on a machine with an injected clock."""

import itertools
import random
from collections.abc import Iterator

import numpy as np
import pytest

from nas.latency.protocol.percentiles import WATCHES, PercentileObservation, observe
from nas.latency.types import STATISTICS
from tests.latency.machine import FakeMachine


def _noisy(seed: int = 1) -> Iterator[float]:
    rng = random.Random(seed)
    return (2.0 * (1 + rng.expovariate(5)) for _ in itertools.count())


def _observe(machine: FakeMachine, statistic: str, seconds: float | None = None) -> PercentileObservation:
    return observe(machine.contestants[0], statistic, machine.probe(), seconds)


def test_every_statistic_but_the_quiet_one_is_observed() -> None:
    assert set(WATCHES) == set(STATISTICS) - {"quiet"}


@pytest.mark.parametrize(("statistic", "share"), [("p50", 0.5), ("p95", 0.95), ("mlperf-like", 0.9)])
def test_percentiles_are_numpys(statistic: str, share: float) -> None:
    seen = _observe(FakeMachine([_noisy()]), statistic, 5.0)
    assert seen.value_ms == float(np.quantile(seen.runs_ms, share))
    expected = itertools.islice(_noisy(), WATCHES[statistic].warmup_runs, None)
    assert seen.runs_ms == pytest.approx(list(itertools.islice(expected, len(seen.runs_ms))), abs=1e-6)


def test_nothing_is_dropped() -> None:
    # Preempted, stolen from and hot: all of it is in the number.
    machine = FakeMachine.steady(2.0, preempt=lambda run: 8.0, steal=lambda run: True, throttle=lambda run: True)
    seen = _observe(machine, "p50")
    assert seen.value_ms == 10.0
    assert len(seen.runs_ms) == len(machine.order) - WATCHES["p50"].warmup_runs


@pytest.mark.parametrize("statistic", WATCHES)
def test_the_interval_lies_around_the_value(statistic: str) -> None:
    seen = _observe(FakeMachine([_noisy()]), statistic, 2.0)
    assert seen.low_ms < seen.value_ms < seen.high_ms
    steady = _observe(FakeMachine.steady(2.0), statistic, 2.0)
    assert (steady.low_ms, steady.value_ms, steady.high_ms) == (2.0, 2.0, 2.0)


def test_slow_minutes_widen_the_interval_more_than_slow_runs() -> None:
    # The same times, once mixed and once in a row: neighbouring runs are alike, and 20 parts are what is drawn.
    times = [2.0] * 900 + [3.0] * 100
    mixed = random.Random(0).sample(times, len(times))
    wide, narrow = (
        _observe(FakeMachine([itertools.chain([2.0] * 10, order, itertools.repeat(2.0))]), "p95", 2.1)
        for order in (times, mixed)
    )
    assert wide.high_ms - wide.low_ms > narrow.high_ms - narrow.low_ms


@pytest.mark.parametrize(
    ("statistic", "runs"), [("p50", 100), ("p95", 200), ("ultralytics", 100), ("mlperf-like", 1024)]
)
def test_a_slow_model_is_run_as_often_as_the_statistic_needs(statistic: str, runs: int) -> None:
    assert len(_observe(FakeMachine.steady(900.0), statistic).runs_ms) == runs


@pytest.mark.parametrize(
    ("statistic", "seconds", "lasts"),
    [("p50", None, 10), ("p95", None, 10), ("ultralytics", None, 60), ("mlperf-like", None, 60), ("p95", 600.0, 600)],
)
def test_a_fast_model_is_run_for_as_long_as_asked(statistic: str, seconds: float | None, lasts: float) -> None:
    seen = _observe(FakeMachine.steady(25.0), statistic, seconds)
    assert lasts <= seen.seconds <= lasts + (26 if statistic == "mlperf-like" else 0.1)
    assert sum(seen.runs_ms) / 1000 == pytest.approx(seen.seconds)


def test_ultralytics_clips_outliers_before_it_takes_the_mean() -> None:
    # The first clipping takes the 50s (two standard deviations), the second 0.9 and 1.2, the third nothing.
    times = [1.0, 1.2, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 50.0]
    seen = _observe(FakeMachine([itertools.cycle(times)]), "ultralytics", 0.5)
    assert seen.value_ms == 1.0
    assert np.mean(seen.runs_ms) == pytest.approx(5.91)
