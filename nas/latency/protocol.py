"""The measuring protocol: warm up, time short blocks of single runs, drop what was disturbed, stop when sure.

Knows neither runtimes nor models: it times a function, with a clock and counters that tests can replace.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nas.errors import LatencyError
from nas.latency.interval import BLOCK_QUANTILE, median_interval, quantile
from nas.latency.machine import Probe
from nas.latency.values import Level

_NS_PER_MS = 1e6
_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure, and how sure to be.

    Attributes:
        aim: Half width of the 95% interval, as a share of the estimate, at which the measurement ends.
        refuse: Half width above which the interval is no answer.
        measure_s: Time for blocks on a quiet machine; what is known then is the answer, if it is one.
        patience_s: Time for blocks on a disturbed machine, after which the measurement is refused.
        warmup_s: Time for warming up; two windows are run even when they take longer.
        stop_above_target: Whether a model whose whole interval lies above the target is not measured further.
        min_blocks: Blocks before the first look at the interval.
        block_ms: Length of a block; a slower model runs once a block.
        agree: How close two warm-up windows must be, as a share.
    """

    aim: float
    refuse: float
    measure_s: float
    patience_s: float
    warmup_s: float
    stop_above_target: bool
    min_blocks: int = 10
    block_ms: float = 15.0
    agree: float = 0.03


PLANS: dict[Level, Plan] = {
    "screening": Plan(
        aim=0.02, refuse=0.10, measure_s=1.0, patience_s=6.0, warmup_s=0.3, stop_above_target=True
    ),
    "finalist": Plan(
        aim=0.01, refuse=0.05, measure_s=4.5, patience_s=20.0, warmup_s=1.0, stop_above_target=False
    ),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a measurement gave: the estimate and its interval in ms, the kept blocks, and what was dropped."""

    latency_ms: float
    low_ms: float
    high_ms: float
    seconds: float
    blocks: tuple[float, ...]
    dropped: dict[str, int]


MOST_DROPPED = 2 / 3
"""Of all blocks tried, at most this share may be dropped: what disturbs more blocks than that slows the rest too."""


@dataclass(slots=True)
class _Drops:
    runs: int = 0
    preempted: int = 0
    stolen: int = 0

    def as_dict(self) -> dict[str, int]:
        return {"runs_preempted": self.runs, "blocks_preempted": self.preempted, "blocks_stolen": self.stolen}


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _block(run: Callable[[], None], runs: int, probe: Probe, drops: _Drops) -> float | None:
    """Time one block; its figure in ms, or None when it has to be dropped."""
    kept: list[float] = []
    processor, ticks = probe.stolen()
    for _ in range(runs):
        switches = probe.switches()
        start = probe.now_ns()
        run()
        end = probe.now_ns()
        if probe.switches() == switches:
            kept.append((end - start) / _NS_PER_MS)
    drops.runs += runs - len(kept)
    processor_after, ticks_after = probe.stolen()
    if processor_after == processor and ticks_after > ticks:
        drops.stolen += 1
        return None
    if 2 * len(kept) < runs:
        drops.preempted += 1
        return None
    return quantile(kept, BLOCK_QUANTILE)


def _warm_up(run: Callable[[], None], plan: Plan, probe: Probe) -> float:
    """Run until two windows in a row agree, or the time is up; the last window's figure in ms."""
    start = probe.now_ns()
    before: float | None = None
    while True:
        times: list[float] = []
        while len(times) < 2 or sum(times) < 2 * plan.block_ms:
            begin = probe.now_ns()
            run()
            times.append((probe.now_ns() - begin) / _NS_PER_MS)
        now = quantile(times, BLOCK_QUANTILE)
        agreed = before is not None and abs(now - before) <= plan.agree * before
        if agreed or (before is not None and probe.now_ns() - start > plan.warmup_s * _NS_PER_S):
            return now
        before = now


def time_runs(run: Callable[[], None], plan: Plan, probe: Probe, target_ms: float | None = None) -> Outcome:
    """Measure how long one call of `run` takes on a quiet machine.

    Args:
        run: Runs the model once, synchronously.
        plan: How long, and how sure.
        probe: The clock and the disturbance counters.
        target_ms: The latency limit, if there is one.

    Raises:
        LatencyError: Too much was disturbed for a number to mean anything.
    """
    with _no_garbage_collection():
        start = probe.now_ns()
        rough_ms = _warm_up(run, plan, probe)
        runs = max(1, round(plan.block_ms / max(rough_ms, 1e-3)))
        drops = _Drops()
        blocks: list[float] = []
        tried = 0
        begin = probe.now_ns()
        while True:
            tried += 1
            figure = _block(run, runs, probe, drops)
            if figure is not None:
                blocks.append(figure)
            passed_s = (probe.now_ns() - begin) / _NS_PER_S
            objection = _objection(blocks, tried, drops, plan)
            if objection is None and (passed_s > plan.measure_s or _sure(blocks, plan, target_ms)):
                break
            if tried >= plan.min_blocks and passed_s > plan.patience_s:
                break
        seconds = (probe.now_ns() - start) / _NS_PER_S
    if objection is not None:
        raise LatencyError(f"unmeasurable: {objection}; stop other programs on this machine and try again")
    middle, low, high = _interval(blocks)
    return Outcome(middle, low, high, seconds, tuple(blocks), drops.as_dict())


def _interval(blocks: list[float]) -> tuple[float, float, float]:
    interval = median_interval(blocks)
    assert interval is not None, "Plan.min_blocks is large enough for an interval"
    return interval


def _sure(blocks: list[float], plan: Plan, target_ms: float | None) -> bool:
    """Whether the interval is narrow enough, or lies wholly above the target."""
    middle, low, high = _interval(blocks)
    if plan.stop_above_target and target_ms is not None and low > target_ms:
        return True
    return (high - low) / 2 <= plan.aim * middle


def _objection(blocks: list[float], tried: int, drops: _Drops, plan: Plan) -> str | None:
    """Why the blocks so far are no answer; None when they are one."""
    lost = tried - len(blocks)
    if len(blocks) < plan.min_blocks or lost > MOST_DROPPED * tried:
        return (
            f"{lost} of {tried} blocks were disturbed (preempted: {drops.preempted}, stolen by the "
            f"hypervisor: {drops.stolen}), at most {MOST_DROPPED:.0%} may be, and {plan.min_blocks} are needed"
        )
    middle, low, high = _interval(blocks)
    half = (high - low) / 2
    if half > plan.refuse * middle:
        return (
            f"the machine's speed is not steady: {len(blocks)} blocks give {middle:.3g} ms ±{half / middle:.1%}, "
            f"at most ±{plan.refuse:.0%} is accepted"
        )
    return None
