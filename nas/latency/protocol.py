"""The measuring protocol: warm up, time short blocks of single runs, drop what was disturbed, stop when sure.

Knows neither runtimes nor models: it times a function, with a clock and counters that tests can replace.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from nas.errors import Unmeasurable
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
        measure_s: Undisturbed time to spend on runs; what is known then is the answer.
        patience_s: Longest time for that, disturbances included; what is known then is judged.
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
    "screening": Plan(aim=0.02, refuse=0.10, measure_s=1.0, patience_s=5.0, warmup_s=0.3, stop_above_target=True),
    "finalist": Plan(aim=0.01, refuse=0.05, measure_s=4.5, patience_s=20.0, warmup_s=1.0, stop_above_target=False),
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


MOST_LOST = 0.005
"""A run may have spent this share of its time without the processor; with more it is dropped as preempted."""

MOST_DROPPED = 0.9
"""Of all runs, at most this share may be dropped: where more are disturbed, the rest is not trusted."""

# What one loss of the processor is taken to cost where it cannot be seen (several threads).
_SWITCH_NS = 250_000


@dataclass(slots=True)
class _Tally:
    """What happened so far: the kept blocks' figures in ms, and what became of all runs and blocks."""

    blocks: list[float] = field(default_factory=list)
    runs_kept: int = 0
    kept_ms: float = 0.0
    runs_preempted: int = 0
    blocks_stolen: int = 0
    tried: int = 0

    def dropped(self) -> dict[str, int]:
        return {"runs_preempted": self.runs_preempted, "blocks_stolen": self.blocks_stolen}


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _timed(run: Callable[[], None], probe: Probe) -> tuple[float, bool]:
    """Run once: the time in ms, and whether the scheduler took the processor away for a part that matters."""
    switches = probe.switches()
    cpu = probe.cpu_ns() if probe.cpu_ns else 0
    start = probe.now_ns()
    run()
    wall = probe.now_ns() - start
    # A switch alone says little about a long run: the kernel's own threads take microseconds, another program
    # takes milliseconds. The time spent off the processor tells them apart.
    switched = probe.switches() - switches
    lost = wall - (probe.cpu_ns() - cpu) if probe.cpu_ns else switched * _SWITCH_NS
    return wall / _NS_PER_MS, switched > 0 and lost > MOST_LOST * wall


def _block(run: Callable[[], None], runs: int, probe: Probe, tally: _Tally, deadline_ns: float) -> None:
    """Collect a block of undisturbed runs, or give up at the deadline."""
    tally.tried += 1
    times: list[float] = []
    processor, ticks = probe.stolen()
    while len(times) < runs:
        time_ms, preempted = _timed(run, probe)
        if not preempted:
            times.append(time_ms)
            continue
        tally.runs_preempted += 1
        if probe.now_ns() > deadline_ns:
            return
        # Whoever has rested is let run longer in one go than whoever never stops.
        probe.rest()
    processor_after, ticks_after = probe.stolen()
    if processor_after == processor and ticks_after > ticks:
        tally.blocks_stolen += 1
        return
    tally.runs_kept += runs
    tally.kept_ms += sum(times)
    tally.blocks.append(quantile(times, BLOCK_QUANTILE))


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
        Unmeasurable: Too much was disturbed for a number to mean anything.
    """
    with _no_garbage_collection():
        start = probe.now_ns()
        rough_ms = _warm_up(run, plan, probe)
        runs = max(1, round(plan.block_ms / max(rough_ms, 1e-3)))
        tally = _Tally()
        deadline = probe.now_ns() + plan.patience_s * _NS_PER_S
        while True:
            _block(run, runs, probe, tally, deadline)
            now = probe.now_ns()
            objection = _objection(tally, plan)
            enough = tally.kept_ms * _NS_PER_MS > plan.measure_s * _NS_PER_S
            if objection is None and (enough or _sure(tally.blocks, plan, target_ms)):
                break
            if now > deadline and tally.tried >= plan.min_blocks:
                break
        seconds = (probe.now_ns() - start) / _NS_PER_S
    if objection is not None:
        raise Unmeasurable(f"unmeasurable: {objection}; stop other programs on this machine and try again")
    middle, low, high = _interval(tally.blocks)
    return Outcome(middle, low, high, seconds, tuple(tally.blocks), tally.dropped())


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


def _objection(tally: _Tally, plan: Plan) -> str | None:
    """Why the blocks so far are no answer; None when they are one."""
    runs = tally.runs_kept + tally.runs_preempted
    if len(tally.blocks) < plan.min_blocks or tally.runs_preempted > MOST_DROPPED * runs:
        return (
            f"of {runs} runs {tally.runs_preempted} were preempted, and the hypervisor disturbed "
            f"{tally.blocks_stolen} blocks of runs; {len(tally.blocks)} blocks are left (at least "
            f"{plan.min_blocks} are needed, with at most {MOST_DROPPED:.0%} of the runs dropped)"
        )
    middle, low, high = _interval(tally.blocks)
    half = (high - low) / 2
    if half > plan.refuse * middle:
        return (
            f"the machine's speed is not steady: {len(tally.blocks)} blocks give {middle:.3g} ms "
            f"±{half / middle:.1%}, at most ±{plan.refuse:.0%} is accepted"
        )
    return None
