"""How long the rest of a search takes, about, and how many candidates fit into a time."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from statistics import mean

from nas.architecture import Architecture
from nas.search.effort import Rung, in_proportion
from nas.search.evaluate import Task, begun, data_of, measure_only
from nas.search.feasibility import Feasibility
from nas.search.request import Request
from nas.search.rung_state import standing
from nas.search.shortlists import is_candidate, kind
from nas.search.workers import speedup
from nas.space import SearchSpace
from nas.study import TOP_K, RungStanding, StoredStudy
from nas.util.machine_lock import MachineLock

# Rough share of candidates that the limits reject, for the estimate before anything is known.
_EXPECTED_REJECTED = 0.25


_CALIBRATION_STEPS = (2, 8)

_TIMED, _DRAWN = 3, 8
"""So many designs are timed, those nearest below the target of so many random ones: candidates are sought there. A
design's latency alone says little of how long it trains: at 2.5 ms ghost designs take twice as long as plain ones."""

FINALISTS_S = 150.0
"""What the finalists take, about."""

_TRUSTED = 0.1
"""Share of a search after which the pace so far counts as much as what its parts were timed to take."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What the parts of a search take, in seconds of one core.

    Attributes:
        building: Building and counting a design.
        screening: Measuring it.
        first: A training of `_CALIBRATION_STEPS[0]` steps, with its score.
        step: Every further step.
    """

    building: float
    screening: float
    first: float
    step: float

    def training(self, steps: int) -> float:
        """Seconds of a training of so many steps."""
        return self.first + (steps - _CALIBRATION_STEPS[0]) * self.step


@dataclass(frozen=True, slots=True)
class Done:
    """What a study has already.

    Attributes:
        candidates: Candidates that are trained.
        baselines: Baselines that are trained.
        rungs: Where its rungs stand.
        repeats: Trainings with other seeds.
    """

    candidates: int
    baselines: int
    rungs: tuple[RungStanding, ...] = ()
    repeats: int = 0


class TimeLeft:
    """The seconds that a search still takes: what its parts were timed to take, at the pace of those that are done."""

    def __init__(
        self, expected: Callable[[], float], after: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin.

        Args:
            expected: Seconds that what is left takes by the timing of its parts.
            after: Seconds of what comes on top in the end, at whatever pace.
            clock: Seconds, for tests.
        """
        self._expected, self._after, self._clock, self._began = expected, after, clock, clock()
        self._before = expected()
        self._whole, self._done = self._before, 0.0

    def __call__(self) -> float:
        """Seconds to the end, about."""
        now = self._expected()
        self._done += max(self._before - now, 0.0)  # proxies that are lengthened add work
        self._before = now
        trusted = _TRUSTED * self._whole
        passed = self._clock() - self._began
        return self._after + (now * (passed + trusted) / (self._done + trusted) if now else 0.0)


def timed(task: Task, space: SearchSpace, baseline: Architecture) -> Costs:
    """Time the parts with very short trainings of designs near the target.

    Args:
        task: How designs are evaluated.
        space: From which random designs are drawn, always the same ones.
        baseline: A known design, for where no random one meets the limits.

    Raises:
        LatencyError: A design could not be measured.
        ProxyError: A design could not be trained.
    """
    from nas.proxy import train_proxy

    random = Random(0)
    drawn = [space.decode(space.sample(random)) for _ in range(_DRAWN)]
    screened = [measure_only(design, task) for design in (baseline, *drawn)]
    meeting = [one for one in screened if not one.violations] or screened[:1]
    nearest = sorted(meeting, key=lambda one: one.latency.latency_ms)[-_TIMED:]
    designs = [one.architecture for one in nearest]
    data = data_of(task)
    few, more = _CALIBRATION_STEPS

    def training(design: Architecture, steps: int) -> float:
        began = time.monotonic()
        model, _ = begun(design, task)
        train_proxy(model, data, design.imgsz, task.proxy.with_steps(steps), MachineLock())
        return time.monotonic() - began

    for design in {design.imgsz: design for design in designs}.values():
        training(design, few)  # fills the picture cache and warms torch up
    short, long = (mean([training(design, steps) for design in designs]) for steps in (few, more))
    building, screening = (mean([one.seconds[part] for one in screened]) for part in ("build", "latency"))
    return Costs(building, screening, short, max(long - short, 0.0) / (more - few))


def done_in(study: StoredStudy, rungs: tuple[Rung, ...]) -> Done:
    """What a study has already.

    Args:
        study: The stored study.
        rungs: The rungs of the search.
    """
    repeats = sum(map(len, study.repeats().values()))
    return Done(len(study.trained()), len(study.trained_baselines()), standing(study, rungs), repeats)


def seconds_left(request: Request, rates: int, found: Feasibility, done: Done, costs: Costs) -> float:
    """Seconds that the rest of a search takes on its workers, about; the finalists come on top.

    Args:
        request: What is asked.
        rates: Learning rates at which a baseline is trained.
        found: The baselines.
        done: What is done already.
        costs: What the parts take.
    """
    candidates = max(request.budget - done.candidates, 0)
    baselines = max(len(found.baselines) - done.baselines, 0)
    designs = candidates / (1 - _EXPECTED_REJECTED) + baselines
    evaluations = (candidates + baselines * rates) * costs.training(request.proxy.steps) + designs * costs.building
    screenings = designs * costs.screening
    after, workers = _after_proxies(request, rates, found, done, costs), max(1, request.workers)
    if request.ray_address is None and request.proxy.device != "cpu":
        return (evaluations + after) / speedup(workers, on_one_gpu=True) + screenings
    if request.ray_address is not None:  # one process a board measures while the nodes train
        return max(evaluations / workers, screenings / len(request.latency.places)) + after / workers
    # No training runs on this machine while it measures.
    alone = 1 if request.latency.places == ("local",) else workers
    return (evaluations + after) / workers + screenings / alone


def from_now(request: Request, seconds: float) -> Request:
    """The same request with what is left of its time for candidates and rungs; at least a second.

    Args:
        request: What is asked.
        seconds: What has passed since the search began.
    """
    if request.max_seconds is None:
        return request
    return replace(request, max_seconds=max(request.max_seconds - seconds - FINALISTS_S, 1.0))


def fitting(request: Request, rates: int, found: Feasibility, done: Done, costs: Costs) -> Request:
    """The same request with as many candidates as fit into its time, if it has rungs; at least one more than are done.

    Args:
        request: What is asked; its rungs are for all of its budget.
        rates: As of `seconds_left`.
        found: As of `seconds_left`.
        done: As of `seconds_left`.
        costs: As of `seconds_left`.
    """
    if request.max_seconds is None or not request.rungs:
        return request
    least = min(done.candidates + 1, request.budget)
    for budget in range(request.budget, least, -1):
        planned = replace(request, budget=budget, rungs=in_proportion(request.rungs, request.budget, budget))
        if seconds_left(planned, rates, found, done, costs) <= request.max_seconds:
            return planned
    return replace(request, budget=least, rungs=in_proportion(request.rungs, request.budget, least))


def _after_proxies(request: Request, rates: int, found: Feasibility, done: Done, costs: Costs) -> float:
    """Seconds of one core that the trainings take which follow the proxies."""
    if not request.rungs:
        repeats = (request.finalist_seeds - 1) * (TOP_K + 1) - done.repeats
        return max(repeats, 0) * costs.training(request.proxy.steps)
    kinds = len({kind(label) for label in found.baselines})
    known = {one.steps: one for one in done.rungs}
    # A baseline trains at every rate at its first rung, at the better one from then on.
    return sum(
        _trainings_left(rung, known.get(rung.steps), kinds, 1 if at else rates) * costs.training(rung.steps)
        for at, rung in enumerate(request.rungs)
    )


def _trainings_left(rung: Rung, now: RungStanding | None, kinds: int, rates: int) -> int:
    """Trainings that a rung still needs."""
    if now is None:
        return rung.places + kinds * rates
    candidates, baselines = (
        [label for label in now.promoted if is_candidate(label) == wanted] for wanted in (True, False)
    )
    missing = sum(1 if is_candidate(label) else rates for label in now.missing)
    if now.decided:
        return missing
    return max(rung.places - len(candidates), 0) + max(kinds - len(baselines), 0) * rates + missing
