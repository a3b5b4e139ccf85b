"""Plain statistics of back-to-back runs: what percentiles and other tools' figures mean.

Nothing is dropped and nothing is set in relation: a disturbed machine gives the disturbed machine's numbers. For those
who must hold a deadline (`p50`, `p95`, over as long as they say), and to set our figure beside the figures of others:

- `ultralytics`: Ultralytics' `ProfileModels.profile_onnx_model` (ultralytics/utils/benchmarks.py): 30 warm-up runs, at
  least 100 runs and 60 seconds, outliers beyond two standard deviations clipped five times over, the mean. It sets
  eight threads and times from arrays of the host: threads and scope are the user's choice here.
- `mlperf-like`: MLPerf Inference, single stream (github.com/mlcommons/inference_policies): the 90th percentile of at
  least 1,024 queries; ours runs 60 seconds where MLPerf asks for 600 (`--sustained 600s`), and without its load
  generator.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.latency.protocol.probe import Probe

_NS_PER_MS = 1e6
_NS_PER_S = 1e9
_SLOWEST_RUN_S = 1.0
_PARTS = 20
_REPLICATES = 400
_SEED = 19790101
_TAIL = 0.025

Floats = NDArray[np.float64]


def _clipped_mean(runs: Floats) -> float:
    kept = runs
    for _ in range(5):
        middle, spread = kept.mean(), kept.std()
        inside = kept[np.abs(kept - middle) <= 2 * spread]
        if len(inside) in (0, len(kept)):
            break
        kept = inside
    return float(kept.mean())


@dataclass(frozen=True, slots=True)
class PercentileWatch:
    """How a statistic is taken.

    Attributes:
        of: The statistic of all runs, in their unit.
        warmup_runs: Runs before the first that counts.
        least_runs: Runs at least.
        seconds: Time at least, where the user names none.
    """

    of: Callable[[Floats], float]
    warmup_runs: int
    least_runs: int
    seconds: float


WATCHES: dict[str, PercentileWatch] = {
    "p50": PercentileWatch(lambda runs: float(np.quantile(runs, 0.50)), 10, 100, 10.0),
    "p95": PercentileWatch(lambda runs: float(np.quantile(runs, 0.95)), 10, 200, 10.0),
    "ultralytics": PercentileWatch(_clipped_mean, 30, 100, 60.0),
    "mlperf-like": PercentileWatch(lambda runs: float(np.quantile(runs, 0.90)), 10, 1024, 60.0),
}


def longest_s(statistic: str, seconds: float | None) -> float:
    """How long a model may take to be observed, with a second a run; 0 for the statistic `quiet`."""
    watch = WATCHES.get(statistic)
    if watch is None:
        return 0.0
    return max(watch.seconds if seconds is None else seconds, watch.least_runs * _SLOWEST_RUN_S)


@dataclass(frozen=True, slots=True)
class PercentileObservation:
    """A statistic of many runs with its 95% interval, all in ms, and the runs."""

    value_ms: float
    low_ms: float
    high_ms: float
    runs_ms: tuple[float, ...]
    seconds: float


def observe(
    run: Callable[[], None], statistic: str, probe: Probe, seconds: float | None = None
) -> PercentileObservation:
    """Run a model back to back and take a statistic of all runs.

    The interval is a bootstrap over 20 consecutive parts, because neighbouring runs are alike.

    Args:
        run: Runs the model once, synchronously.
        statistic: A key of `WATCHES`.
        probe: The clock.
        seconds: How long; the statistic's own length by default.
    """
    watch = WATCHES[statistic]
    for _ in range(watch.warmup_runs):
        run()
    wanted_ns = (watch.seconds if seconds is None else seconds) * _NS_PER_S
    start = probe.now_ns()
    times: list[float] = []
    now = start
    while now - start < wanted_ns or len(times) < watch.least_runs:
        run()
        after = probe.now_ns()
        times.append((after - now) / _NS_PER_MS)
        now = after
    runs = np.array(times)
    parts = np.array_split(runs, _PARTS)
    rng = np.random.default_rng(_SEED)
    spread = [
        watch.of(np.concatenate([parts[index] for index in rng.integers(_PARTS, size=_PARTS)]))
        for _ in range(_REPLICATES)
    ]
    value = watch.of(runs)
    low, high = np.quantile(spread, (_TAIL, 1 - _TAIL))
    return PercentileObservation(
        value, min(float(low), value), max(float(high), value), tuple(times), (now - start) / _NS_PER_S
    )
