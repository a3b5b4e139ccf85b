"""Slices of a plan: timed runs, and what is dropped of them."""

import gc
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nas.errors import Unmeasurable
from nas.latency.protocol.plan import MOST_DROPPED, MOST_LOST, POOL_QUANTILE, SLICE_QUANTILE, Plan
from nas.latency.protocol.probe import Probe
from nas.latency.protocol.quantile import quantile

_NS_PER_MS = 1e6


_NS_PER_S = 1e9


# What one loss of the processor is taken to cost where it cannot be seen (several threads).
_SWITCH_NS = 250_000


# A model that takes longer than this does not find its data in the caches anyhow.
_COLD_MS = 10.0


Slice = tuple[tuple[float, ...], ...]
"""The kept runs of every contestant, in ms."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What a measurement saw.

    Attributes:
        slices: The kept slices, in the order they were measured.
        dropped: What was dropped, by cause.
        seconds: Device time spent, warm-up included.
        waited_s: Of these, what went into slices that were set aside and into leaving the device alone.
    """

    slices: tuple[Slice, ...]
    dropped: dict[str, int]
    seconds: float
    waited_s: float


def slice_figures(slices: Sequence[Slice]) -> NDArray[np.float64]:
    """The slices' figures in ms, shape (slices, contestants)."""
    return np.array([[quantile(runs, SLICE_QUANTILE) for runs in one] for one in slices])


def pooled_figures(slices: Sequence[Slice]) -> NDArray[np.float64]:
    """The figures of the slices' pooled runs in ms, shape (contestants,)."""
    return np.array([np.quantile(np.concatenate(runs), POOL_QUANTILE) for runs in zip(*slices, strict=True)])


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Why a slice is set aside, and whether it can be borne when patience ends without enough better ones."""

    text: str
    bearable: bool


Gate = Callable[[Slice], Disturbance | None]
"""What speaks against a slice; None when it is kept."""


Judge = Callable[[Sequence[Slice]], bool]
"""Called with the slices so far, from `Plan.first_look` on; whether they are enough."""


@dataclass(slots=True)
class _Tally:
    slices: list[Slice] = field(default_factory=list)
    runs: int = 0
    runs_preempted: int = 0
    slices_preempted: int = 0
    slices_stolen: int = 0
    slices_throttled: int = 0
    slices_contended: int = 0
    bearable: list[tuple[int, Slice]] = field(default_factory=list)
    objection: str | None = None

    @property
    def tried(self) -> int:
        lost = self.slices_preempted + self.slices_stolen + self.slices_throttled + self.slices_contended
        return len(self.slices) + lost

    def take_bearable(self) -> None:
        """Put what was set aside but can be borne where it was measured."""
        for place, one in reversed(self.bearable):
            self.slices.insert(place, one)
        self.slices_contended -= len(self.bearable)

    def dropped(self) -> dict[str, int]:
        return {
            "runs_preempted": self.runs_preempted,
            "slices_preempted": self.slices_preempted,
            "slices_stolen": self.slices_stolen,
            "slices_throttled": self.slices_throttled,
            "slices_contended": self.slices_contended,
        }


def collect(
    contestants: Sequence[Callable[[], None]],
    plan: Plan,
    probe: Probe,
    judge: Judge,
    gate: Gate = lambda one: None,
    rng: random.Random | None = None,
) -> Trace:
    """Run the contestants in turn until the judge has enough, or the plan's time is up.

    Args:
        contestants: Each runs its model once, synchronously; candidates first, then the references.
        plan: How long, and how sure.
        probe: The clock and the disturbance counters.
        judge: Whether the slices so far are enough.
        gate: What speaks against a slice; then it is set aside, and the device is left alone for a moment. When
            patience ends, the bearable ones are used after all: the estimate tells what that costs.
        rng: Draws the order in each slice.

    Raises:
        Unmeasurable: Too little was left undisturbed for a number to mean anything.
    """
    order = list(range(len(contestants)))
    rng = rng or random.Random()
    tally = _Tally()
    with _no_garbage_collection():
        start = probe.now_ns()
        runs = [max(1, round(plan.block_ms / max(_warm_up(one, plan, probe), 1e-3))) for one in contestants]
        begun = probe.now_ns()
        kept_ns = waited_ns = 0
        enough = False
        while True:
            before = probe.now_ns()
            rng.shuffle(order)
            # There and back: what drifts evenly during a slice falls on all alike.
            kept = _slice([*order, *reversed(order)], contestants, runs, plan, probe, tally, gate)
            took_ns = probe.now_ns() - before
            if kept:
                kept_ns += took_ns
                enough = len(tally.slices) >= plan.first_look and judge(tally.slices)
                if enough or (len(tally.slices) >= plan.min_slices and kept_ns > plan.measure_s * _NS_PER_S):
                    break
            else:
                waited_ns += took_ns
            late = probe.now_ns() - begun > plan.patience_s * _NS_PER_S
            # However slow a model is, twice as many slices are tried as are needed.
            if late and (len(tally.slices) >= plan.min_slices or tally.tried >= 2 * plan.min_slices):
                tally.take_bearable()
                break
        seconds = (probe.now_ns() - start) / _NS_PER_S
    _check(tally, plan.first_look if enough else plan.min_slices)
    return Trace(tuple(tally.slices), tally.dropped(), seconds, waited_ns / _NS_PER_S)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _slice(
    order: Sequence[int],
    contestants: Sequence[Callable[[], None]],
    runs: Sequence[int],
    plan: Plan,
    probe: Probe,
    tally: _Tally,
    gate: Gate,
) -> bool:
    """Two blocks of every contestant; whether the slice was kept."""
    times: list[list[float]] = [[] for _ in contestants]
    processor, ticks = probe.stolen()
    throttled = probe.throttles()
    for index in order:
        times[index] += _block(contestants[index], runs[index], plan, probe, tally)
    processor_after, ticks_after = probe.stolen()
    if not all(times):
        tally.slices_preempted += 1
        return False
    if processor_after == processor and ticks_after > ticks:
        tally.slices_stolen += 1
        return False
    if probe.throttles() > throttled:
        tally.slices_throttled += 1
        return False
    one = tuple(tuple(runs) for runs in times)
    objection = gate(one)
    if objection is not None:
        tally.slices_contended += 1
        tally.objection = objection.text
        if objection.bearable:
            tally.bearable.append((len(tally.slices), one))
        probe.pause()
        return False
    tally.slices.append(one)
    return True


def _block(run: Callable[[], None], count: int, plan: Plan, probe: Probe, tally: _Tally) -> list[float]:
    """The undisturbed ones of `count` runs, in ms."""
    if plan.block_ms / count < _COLD_MS:
        run()  # The contestant before has taken the caches; the first run fills them again and is not timed.
    times = []
    for _ in range(count):
        time_ms, preempted = _timed(run, probe)
        tally.runs += 1
        if preempted:
            tally.runs_preempted += 1
            # Whoever has rested is let run longer in one go than whoever never stops.
            probe.rest()
        else:
            times.append(time_ms)
    return times


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


def _warm_up(run: Callable[[], None], plan: Plan, probe: Probe) -> float:
    """Run until two windows in a row agree, or the time is up; the last window's figure in ms."""
    start = probe.now_ns()
    before: float | None = None
    while True:
        times: list[float] = []
        while sum(times) < plan.block_ms:
            begin = probe.now_ns()
            run()
            times.append((probe.now_ns() - begin) / _NS_PER_MS)
        now = quantile(times, SLICE_QUANTILE)
        agreed = before is not None and abs(now - before) <= plan.agree * before
        if agreed or (before is not None and probe.now_ns() - start > plan.warmup_s * _NS_PER_S):
            return now
        before = now


def _check(tally: _Tally, least: int) -> None:
    """Refuse what is too little or too disturbed."""
    if len(tally.slices) >= least and tally.runs_preempted <= MOST_DROPPED * tally.runs:
        return
    causes = {
        "to preemption": tally.slices_preempted,
        "to the hypervisor": tally.slices_stolen,
        "to throttling": tally.slices_throttled,
        "to a contended device": tally.slices_contended,
    }
    lost = ", ".join(f"{count} {cause}" for cause, count in causes.items() if count)
    because = f" ({tally.objection})" if tally.objection else ""
    text = f"{len(tally.slices)} slices are left (at least {least} are needed), lost: {lost or 'none'}{because}"
    if tally.runs_preempted:
        text += f"; {tally.runs_preempted} of {tally.runs} runs were preempted (at most {MOST_DROPPED:.0%})"
    raise Unmeasurable(f"unmeasurable: {text}; stop other programs there and try again")
