"""The last word on the front and the baselines: latency in fresh processes, accuracy on pictures never looked at.

During a search a candidate's latency is a screening measurement and its accuracy a score on the part of *train* that
candidates are chosen by. Both flatter the chosen. So every member of the front and every baseline is measured again in
new processes, and scored once on the data set's own *val* (`confirm`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nas.confirm import TOGETHER, Final, confirm
from nas.denoise import Estimate
from nas.estimates import Estimates, estimates
from nas.evaluate import Evaluation, Task
from nas.pareto import limited_front_indices
from nas.proxy import Score
from nas.study import Record, StoredStudy, evaluated

_KEPT_AS = "finals"


@dataclass(frozen=True, slots=True)
class Finalist:
    """A trained record with its final.

    Attributes:
        record: The stored trial.
        evaluation: Its evaluation.
        score: Its score on the selection part.
        final: Its latency and its score on val.
        meets_target: Whether the upper end of its latency's interval is at or under the target and no other limit is
            broken.
        accuracy: What it is compared by, mAP50-95 on the selection part: its estimate, or the mean of its own scores.
        estimate: Its accuracy from every score of the search (`nas/estimates.py`); None where there were too few to
            learn from.
        seeds: Proxies that were trained of it.
    """

    record: Record
    evaluation: Evaluation
    score: Score
    final: Final
    meets_target: bool
    accuracy: float
    estimate: Estimate | None
    seeds: int


def conclude(
    study: StoredStudy,
    task: Task,
    on_step: Callable[[str], None] = lambda label: None,
    on_wait: Callable[[str], None] = lambda text: None,
) -> tuple[list[Finalist], list[Finalist]]:
    """Finish a search: the front of the trained candidates, and the baselines.

    A fresh measurement can move a member behind another candidate; then the front is drawn again, and whoever enters
    is measured too, until every member of the front has a fresh latency.

    Args:
        study: The stored study; confirmed finals are kept with it and not repeated.
        task: How the search evaluates.
        on_step: Called with the labels of finalists before they are measured together.
        on_wait: Told why a finalist's latency has to wait, or stays unconfirmed.

    Returns:
        The front, of all and of those that meet the target, from the fastest to the slowest, and the baselines.

    Raises:
        LatencyError: A finalist could not be measured, for another reason than a disturbed device.
    """
    kept: dict[str, dict[str, Any]] = study.attribute(_KEPT_AS) or {}
    finals = {label: Final.from_dict(value) for label, value in kept.items()}

    def settle(records: Sequence[Record]) -> None:
        for some in (records[start : start + TOGETHER] for start in range(0, len(records), TOGETHER)):
            labels = [record.label for record in some]
            on_step(", ".join(labels))
            steady = all(final.confirmed for final in finals.values())
            finals.update(zip(labels, confirm(some, task, on_wait, patient=steady), strict=True))
            study.keep(_KEPT_AS, {label: final.to_dict() for label, final in finals.items() if final.confirmed})

    baselines = [r for r in study.baselines() if r.status == "trained"]
    trained = [r for r in study.records() if r.status == "trained"]
    known = estimates([*baselines, *trained], study.repeats())
    asked_again = False
    while True:
        front = _front(trained, finals, known, task.limits.target_ms)
        missing = [record for record in [*baselines, *front] if record.label not in finals]
        if not missing and not asked_again:  # the device may have calmed down meanwhile
            asked_again = True
            missing = [record for record in [*baselines, *front] if not finals[record.label].confirmed]
        if not missing:
            break
        settle(missing)

    def finalist(record: Record) -> Finalist:
        return _finalist(record, finals[record.label], task.limits.target_ms, known)

    return [finalist(record) for record in front], [finalist(record) for record in baselines]


def choose_best(front: Sequence[Finalist], baselines: Sequence[Finalist]) -> Finalist | None:
    """The most accurate finalist that meets the target, by its estimate; a baseline only when it is ahead.

    Returns:
        The best, or None when nothing meets the target.
    """
    meeting = [f for f in [*baselines, *front] if f.meets_target]
    return max(meeting, key=lambda f: (f.accuracy, -f.final.latency.latency_ms), default=None)


def _front(trained: Sequence[Record], finals: dict[str, Final], known: Estimates, target_ms: float) -> list[Record]:
    latencies = [finals[r.label].latency if r.label in finals else evaluated(r)[0].latency for r in trained]
    points = [(latency.latency_ms, known.accuracy(r.label)) for latency, r in zip(latencies, trained, strict=True)]
    meets = [latency.meets(target_ms) for latency in latencies]
    return [trained[at] for at in limited_front_indices(points, meets)]


def _finalist(record: Record, final: Final, target_ms: float, known: Estimates) -> Finalist:
    evaluation, score = evaluated(record)
    other_limits = [text for text in evaluation.violations if not text.startswith("latency")]
    meets = final.latency.meets(target_ms) and not other_limits
    label = record.label
    told = known.accuracy(label), known.interval(label), known.seeds(label)
    return Finalist(record, evaluation, score, final, meets, *told)
