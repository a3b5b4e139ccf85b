"""The last word on the front and the baselines: latency in fresh processes, accuracy on pictures never looked at.

During a search a candidate's latency is a screening measurement and its accuracy a score on the part of *train* that
candidates are chosen by. Both flatter the chosen. So every member of the front, every design of the last rung and every
baseline is measured again in new processes, and scored once on the data set's own *val* (`remeasure`), with the weights
of its longest training.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nas.search.evaluate import Task
from nas.search.remeasure import TOGETHER, Patience, remeasure
from nas.study import (
    Estimates,
    Finalist,
    Finalists,
    FinalMeasurement,
    RungScore,
    RungScores,
    StoredStudy,
    TrainedRecord,
    estimates,
    rung_scores,
    weights_name,
)
from nas.util.pareto import limited_front_indices


def conclude(
    study: StoredStudy,
    task: Task,
    on_step: Callable[[str], None] = lambda label: None,
    on_wait: Callable[[str], None] = lambda text: None,
    need: Callable[[Sequence[TrainedRecord]], object] = lambda records: None,
    *,
    hurried: bool = False,
) -> Finalists:
    """Finish a search: the front of the trained candidates, the baselines, and the designs of the last rung.

    A fresh measurement can move a member behind another candidate; then the front is drawn again, and whoever enters
    is measured too, until every member of the front has a fresh latency.

    Args:
        study: The stored study; confirmed finals are kept with it and not repeated.
        task: How the search evaluates.
        on_step: Called with the labels of finalists before they are measured together.
        on_wait: Called with why a finalist's latency has to wait, or stays unconfirmed.
        need: Called with the finalists whose weights are about to be needed (`missing_weights.py`).
        hurried: Whether somebody waits: a disturbed device is asked once, and who has no answer stays unconfirmed.

    Raises:
        LatencyError: A finalist could not be measured, for another reason than a disturbed device.
    """
    rungs = rung_scores(study)
    weights = weights_of(rungs)
    last = max((steps for some in rungs.values() for steps in some), default=0)
    kept: dict[str, dict[str, Any]] = study.attribute("finals") or {}
    # A final is of one file, so it is kept by the name of its weights.
    finals = {weights: FinalMeasurement.from_dict(value) for weights, value in kept.items()}

    def patience() -> Patience:
        if hurried or asked_again:
            return "together"
        return "patient" if all(final.remeasured for final in finals.values()) else "brief"

    def settle(records: Sequence[TrainedRecord]) -> None:
        for some in (records[start : start + TOGETHER] for start in range(0, len(records), TOGETHER)):
            need(some)
            on_step(", ".join(record.label for record in some))
            found = remeasure(some, task, on_wait, weights=weights, patience=patience())
            finals.update(zip(map(weights, some), found, strict=True))
            study.keep("finals", {name: final.to_dict() for name, final in finals.items() if final.remeasured})

    baselines, trained = study.trained_baselines(), study.trained()
    known = estimates([*baselines, *trained], study.repeats(), rungs)
    asked_again = hurried
    while True:
        fresh = {r.label: finals[weights(r)] for r in [*baselines, *trained] if weights(r) in finals}
        front = _front(trained, fresh, known, task.limits.target_ms)
        promoted = [record for record in trained if last in rungs.get(record.label, {}) and record not in front]
        every = [*baselines, *front, *promoted]
        missing = [record for record in every if record.label not in fresh]
        if not missing and not asked_again:  # the device may have calmed down meanwhile
            asked_again = True
            missing = [record for record in every if not fresh[record.label].remeasured]
        if not missing:
            break
        settle(missing)

    def finalists(records: Sequence[TrainedRecord]) -> list[Finalist]:
        target_ms = task.limits.target_ms
        return [_finalist(one, fresh[one.label], target_ms, known, rungs.get(one.label, {})) for one in records]

    return Finalists(finalists(front), finalists(baselines), finalists(promoted))


def weights_of(rungs: RungScores) -> Callable[[TrainedRecord], str]:
    """From a design to the file stem of the weights of its longest training.

    Args:
        rungs: Scores of the longer trainings.
    """
    return lambda record: weights_name(record.label, max(rungs.get(record.label, {}), default=None))


def _front(
    trained: Sequence[TrainedRecord], finals: dict[str, FinalMeasurement], known: Estimates, target_ms: float
) -> list[TrainedRecord]:
    latencies = [finals[r.label].latency if r.label in finals else r.evaluation.latency for r in trained]
    points = [(latency.latency_ms, known.accuracy(r.label)) for latency, r in zip(latencies, trained, strict=True)]
    meets = [latency.meets(target_ms) for latency in latencies]
    return [trained[at] for at in limited_front_indices(points, meets)]


def _finalist(
    record: TrainedRecord, final: FinalMeasurement, target_ms: float, known: Estimates, rungs: Mapping[int, RungScore]
) -> Finalist:
    others = [one for one in record.evaluation.violations if one.limit != "latency"]
    meets = final.latency.meets(target_ms) and not others
    label = record.label
    return Finalist(record, final, meets, known.accuracy(label), known.interval(label), known.seeds(label), rungs)
