"""Hand scaling: of width, depth and input size the best that a wall time finds.

For every family, depth and input size the widest design that meets the target is looked for by bisection, from the
largest size down, where it can only become wider. These designs are trained briefly, those first that are closest to
the published scale, while there is time. The two best by the selection part that meet the target in fresh processes
are trained as long as finals are, further ones where time is left, and the best is the arm's.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.jobs import results
from benchmarks.common.rows import Rows
from benchmarks.headline.arms import Arm
from benchmarks.headline.clock import Clock
from benchmarks.headline.designs import Design, exported, first_meeting
from benchmarks.headline.families import DEPTHS, at_hand, buildable, key_of, scaled
from benchmarks.headline.limited import chosen_key, clock_of, keep_chosen
from benchmarks.headline.plan import Plan
from benchmarks.headline.training import rates_of, trained, tuned_source
from nas.data import load
from nas.latency import Device, retry_while_disturbed

SCREENS_HEADER = ("key", "latency_ms")
HEADER = ("arm", "key", "family", "depth", "width", "imgsz", "steps", "lr", "select", "seconds")
_LAST, _MOST_LAST = 2, 6
"""Designs that are trained as long as finals are: those for which time is kept, and those that there are at most."""
_SMALLEST_PX = 64
_SEED = 0


@dataclass(frozen=True, slots=True)
class Scaled:
    """A scaled design.

    Attributes:
        family: Its family.
        depth: Factor on the published depth.
        width: Factor on the published width.
        imgsz: Side of the square input in pixels.
    """

    family: str
    depth: float
    width: float
    imgsz: int

    @property
    def distance(self) -> tuple[float, float]:
        """How far it is from the published scale: by depth, then by width."""
        return self.depth, abs(math.log2(self.width))


def hand_scaled(plan: Plan, arm: Arm, settings: dict[str, Any], limit_s: float, device: Device, scale: str) -> Design:
    """The design that hand scaling comes to in a wall time; goes on where it was broken off.

    Args:
        plan: The comparison.
        arm: Its arm, pretrained or from scratch.
        settings: Of the arm's rival, a search: its input sizes are tried, and smaller ones.
        limit_s: Wall seconds.
        device: Where latency is measured.
        scale: The published scale of the checkpoint.
    """
    screens = Rows(plan.work / "screens.csv", SCREENS_HEADER, fresh=False)
    rows = Rows(plan.kept / "hand.csv", HEADER, fresh=False)
    clock, chosen = clock_of(plan, arm), chosen_key(plan, arm)
    families = dict(at_hand(plan.source, scale))

    def design(one: Scaled) -> Design:
        text = scaled(one.family, scale, one.depth, one.width, plan.data.nc)
        return Design(arm.name, 0, key_of(one.family, scale, one.depth, one.width, one.imgsz), one.imgsz, text)

    def latency_ms(one: Scaled) -> float:
        made = design(one)
        known = {row["key"]: float(row["latency_ms"]) for row in screens.all()}
        if made.key not in known:
            file = exported(made.yaml, made.imgsz, plan)
            found = retry_while_disturbed(lambda: device.screen(file, plan.target_ms), notice=print)
            screens.add({"key": made.key, "latency_ms": f"{found.latency_ms:.4f}"})
            known[made.key] = found.latency_ms
        return known[made.key]

    if chosen is not None:
        return design(_scaled_of(next(row for row in _of(rows, arm) if row["key"] == chosen)))
    with clock.running():
        tuned = {
            family: tuned_source(plan, checkpoint, settings) if arm.pretrained else None
            for family, checkpoint in families.items()
        }
        sizes = sorted({*settings["imgsz"], *range(_SMALLEST_PX, max(settings["imgsz"]), 32)}, reverse=True)
        grid = list(
            candidates(
                families, sizes, lambda family, depth: buildable(family, scale, depth), latency_ms, plan.target_ms
            )
        )
        print(f"{arm.name}: {len(grid)} scaled designs, {clock.seconds:.0f} of {limit_s:.0f} s", flush=True)
        race = _Race(plan, arm, rows, clock, limit_s, {one: design(one) for one in grid}, tuned)
        race.run(grid, plan.hand_steps)
        ranked = [_scaled_of(row) for row in race.ranking(plan.hand_steps)]
        met = first_meeting([design(one) for one in ranked], _MOST_LAST, plan, device)
        last = [one for one in ranked if design(one) in met]
        if plan.steps > plan.hand_steps and len(last) > 1 and (race.ranking(plan.steps) or race.has_time_for_last()):
            race.run(last, plan.steps)
            longer = [_scaled_of(row) for row in race.ranking(plan.steps)]
            last = [one for one in longer if one in last] or last
    return keep_chosen(plan, design(last[0]), limit_s, clock.seconds, len(ranked))


def candidates(
    families: Iterable[str],
    sizes: Sequence[int],
    widths: Callable[[str, float], Sequence[float]],
    latency_ms: Callable[[Scaled], float],
    target_ms: float,
) -> Iterator[Scaled]:
    """Of every family, depth and size the widest design that meets the target, those closest to the published first.

    Args:
        families: Their names.
        sizes: Input sizes in pixels, the largest first.
        widths: From a family and a depth to the widths at which it can be built, the widest first.
        latency_ms: Measures a design.
        target_ms: The latency limit.
    """
    found: list[Scaled] = []
    for family, depth in product(families, DEPTHS):
        left = list(widths(family, depth))
        for imgsz in sizes:
            every = [Scaled(family, depth, width, imgsz) for width in left]
            met = _first_meeting(every, lambda one: latency_ms(one) <= target_ms)
            if met is not None:
                found.append(every[met])
                left = left[: met + 1]
    yield from sorted(found, key=lambda one: one.distance)


def _first_meeting(designs: Sequence[Scaled], meets: Callable[[Scaled], bool]) -> int | None:
    """Index of the widest design that meets the target, by bisection: the narrower, the faster."""
    low, high = 0, len(designs)
    while low < high:
        middle = (low + high) // 2
        if meets(designs[middle]):
            high = middle
        else:
            low = middle + 1
    return low if low < len(designs) else None


@dataclass(frozen=True, slots=True)
class _Race:
    """The trainings of one arm."""

    plan: Plan
    arm: Arm
    rows: Rows
    clock: Clock
    limit_s: float
    designs: dict[Scaled, Design]
    tuned: dict[str, Path | None]

    def run(self, some: Sequence[Scaled], steps: int) -> None:
        """Train those that are not trained yet, while there is time."""
        plan, first = self.plan, self._rows(self.plan.hand_steps)
        have, rates = {row["key"] for row in self._rows(steps)}, {row["key"]: float(row["lr"]) for row in first}

        def left() -> Iterator[tuple[Any, ...]]:
            for number, one in enumerate(some):
                made, tuned = self.designs[one], self.tuned[one.family]
                if made.key in have:
                    continue
                if not self._has_time(number, steps):
                    return
                known = (rates[made.key],) if made.key in rates else rates_of(tuned)
                yield one, made, plan.yaml, tuned, steps, plan.device, known

        for row in results(_trained, left(), plan.workers):
            self.rows.add(row)
            print(f"{self.arm.name}: {row['key']} {row['steps']} steps, select {row['select']}", flush=True)

    def ranking(self, steps: int) -> list[dict[str, str]]:
        """The trained designs, the best by the selection part first."""
        return sorted(self._rows(steps), key=lambda row: -float(row["select"]))

    def has_time_for_last(self) -> bool:
        """Whether the last trainings for which time is kept fit into what is left."""
        return self.clock.seconds + self._kept_s() <= self.limit_s

    def _has_time(self, number: int, steps: int) -> bool:
        """Whether a training may begin; without any there is no answer, so the first always may."""
        if steps == self.plan.hand_steps:
            return number == 0 or self.clock.seconds + self._longest_s() + self._kept_s() <= self.limit_s
        return number < _LAST or self.clock.seconds + self._last_s() <= self.limit_s

    def _kept_s(self) -> float:
        """Seconds that are kept for the last trainings."""
        return -(-_LAST // self.plan.workers) * self._last_s()

    def _last_s(self) -> float:
        """Seconds of a last training, which is of one rate."""
        rates = max(len(rates_of(tuned)) for tuned in self.tuned.values())
        return self._longest_s() / rates * self.plan.steps / self.plan.hand_steps

    def _longest_s(self) -> float:
        return max((float(row["seconds"]) for row in self._rows(self.plan.hand_steps)), default=0.0)

    def _rows(self, steps: int) -> list[dict[str, str]]:
        return [row for row in _of(self.rows, self.arm) if row["steps"] == str(steps)]


def _of(rows: Rows, arm: Arm) -> list[dict[str, str]]:
    return [row for row in rows.all() if row["arm"] == arm.name]


def _scaled_of(row: dict[str, str]) -> Scaled:
    return Scaled(row["family"], float(row["depth"]), float(row["width"]), int(row["imgsz"]))


def _trained(
    one: Scaled, design: Design, yaml: str, tuned: Path | None, steps: int, device: str, rates: tuple[float, ...]
) -> dict[str, Any]:
    """One training, in a process of its own; its row."""
    torch.set_num_threads(1)
    began = time.monotonic()
    done = trained(design.yaml, design.imgsz, load(yaml), tuned, steps, _SEED, device, rates)
    return {
        "arm": design.arm,
        "key": design.key,
        "family": one.family,
        "depth": one.depth,
        "width": one.width,
        "imgsz": one.imgsz,
        "steps": steps,
        "lr": done.lr,
        "select": f"{done.result.score.map50_95:.5f}",
        "seconds": f"{time.monotonic() - began:.1f}",
    }
