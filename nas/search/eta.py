"""How long the rest of a search takes, about."""

import time

from nas.search.evaluate import Task, begun, data_of, measure_only
from nas.search.feasibility import Feasibility
from nas.search.request import Request
from nas.search.shortlists import kind
from nas.study import TOP_K, StoredStudy
from nas.util.machine_lock import MachineLock

# Rough share of candidates that the limits reject, for the estimate before anything is known.
_EXPECTED_REJECTED = 0.5


_CALIBRATION_STEPS = (2, 8)


def estimate_s(request: Request, task: Task, found: Feasibility, study: StoredStudy) -> float:
    """Seconds that the rest of a search will take, about: from one short proxy and one screening, timed here."""
    from nas.proxy import train_proxy

    design = found.baselines.get("yolo11-scaled") or list(found.baselines.values())[-1]  # the largest of a source
    screening = sum(measure_only(design, task).seconds.values())
    data = data_of(task)
    few, more = _CALIBRATION_STEPS
    times = []
    for steps in (few, few, more):  # the first fills the picture cache and warms torch up
        began = time.monotonic()
        model, _ = begun(design, task)
        train_proxy(model, data, design.imgsz, task.proxy.with_steps(steps), MachineLock())
        times.append(time.monotonic() - began)
    step = max(times[2] - times[1], 0.0) / (more - few)
    proxy = times[1] + (task.proxy.steps - few) * step
    done = sum(record.status == "trained" for record in [*study.records(), *study.baselines()])
    left = request.budget + len(found.baselines) * max(1, len(task.baseline_lrs)) - done
    screenings = left / (1 - _EXPECTED_REJECTED) * screening
    return (left * proxy + _after_trials(request, task, found, times[1], step) + screenings) / max(1, request.workers)


def _after_trials(request: Request, task: Task, found: Feasibility, few_s: float, step_s: float) -> float:
    """Seconds of one core that the trainings take which follow the proxies, about.

    Args:
        request: What is asked.
        task: How designs are evaluated.
        found: The baselines.
        few_s: What a training of `_CALIBRATION_STEPS[0]` steps takes.
        step_s: What every further step takes.
    """

    def training(steps: int) -> float:
        return few_s + (steps - _CALIBRATION_STEPS[0]) * step_s

    if not request.rungs:
        return (request.finalist_seeds - 1) * (TOP_K + 1) * training(request.proxy.steps)
    kinds = len({kind(label) for label in found.baselines})
    # A baseline trains at every rate at its first rung, at the better one from then on.
    rates = [max(1, len(task.baseline_lrs)), *[1] * (len(request.rungs) - 1)]
    return sum(
        (rung.places + kinds * each) * training(rung.steps) for rung, each in zip(request.rungs, rates, strict=True)
    )
