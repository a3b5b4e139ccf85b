"""Ratios of latencies on a machine that neighbours disturb: rounds in which every model has its turn.

`ghostnas latency` refuses to answer while memory-bound work runs far slower than calibrated, since its milliseconds
would mean nothing. A ratio of models that are run one after the other still does: what disturbs a round disturbs all of
it. So each round gives one ratio, and the median over the rounds stands, with its 95% bootstrap interval.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from nas.latency import LatencySettings, SizedModel, check_finite, image, open_session
from nas.util.machine_lock import MachineLock

BLOCK_S = 0.015
LEAST_ROUNDS = 12
_REPLICATES = 2000
_WARMUP = 3


@dataclass(frozen=True, slots=True)
class Paired:
    """One model in all rounds.

    Attributes:
        ms: The lower quartile of the rounds' times, in ms.
        ratio: The median over the rounds of this model's time over the first's.
        low: Lower end of the 95% interval of that median.
        high: Upper end.
    """

    ms: float
    ratio: float
    low: float
    high: float


def paired(models: Sequence[SizedModel], settings: LatencySettings, seconds: float = 20.0) -> list[Paired]:
    """Run models in turn and relate each to the first.

    Args:
        models: The files and their input sizes.
        settings: Runtime, precision and threads; the device is this machine.
        seconds: For all of them, warm-up apart; at least `LEAST_ROUNDS` rounds are run.
    """
    with ExitStack() as stack, MachineLock().measuring():
        sessions = [stack.enter_context(open_session(one.model, one.imgsz, settings)) for one in models]
        for one, session in zip(models, sessions, strict=True):
            session.feed(image(one.imgsz))
            check_finite(session)
            for _ in range(_WARMUP):
                session.run()
        order, rounds = np.random.default_rng(0), list[NDArray[np.float64]]()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(rounds) < LEAST_ROUNDS:
            times = np.zeros(len(models))
            for index in order.permutation(len(models)):
                times[index] = _block(sessions[index].run)
            rounds.append(times)
    return [summary(np.array(rounds), index) for index in range(len(models))]


def _block(run: Callable[[], None]) -> float:
    """Median seconds of the runs of a block; the first, which finds another model's data in the cache, is left out."""
    run()
    runs, begun = list[float](), time.perf_counter()
    while not runs or time.perf_counter() - begun < BLOCK_S:
        start = time.perf_counter()
        run()
        runs.append(time.perf_counter() - start)
    return float(np.median(runs))


def summary(rounds: NDArray[np.float64], index: int) -> Paired:
    ratios = rounds[:, index] / rounds[:, 0]
    random = np.random.default_rng(0)
    found = bootstrap((ratios,), np.median, n_resamples=_REPLICATES, method="percentile", rng=random)
    low, high = found.confidence_interval
    fast = float(np.quantile(rounds[:, index], 0.25)) * 1e3
    return Paired(fast, float(np.median(ratios)), float(low), float(high))
