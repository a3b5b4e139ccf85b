"""The last phase of a search with a last rung: the best designs are trained long, and the winner is one of them.

Promoted are the best candidates and the best baseline of each kind, by the estimates from all proxies. Who is promoted
is decided once, when all trials have ended, and kept with the study; a design that fails there gives its place to the
next of its list. Each is trained once: scores stay when a larger budget decides anew.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from statistics import mean
from typing import Any, Self

from nas.search.pending_trial import NoTrial, Promotion
from nas.search.progress import LastPhase
from nas.study import (
    TOP_K,
    Estimates,
    LastRung,
    Record,
    Standing,
    StoredStudy,
    TrainedRecord,
    estimates,
    most_accurate,
    read_last_rungs,
)


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Designs that compete for places at the last rung.

    Attributes:
        places: How many of them are promoted.
        labels: The designs, the most accurate first.
    """

    places: int
    labels: tuple[str, ...]


def kind(label: str) -> str:
    """A baseline's kind: its label up to the first hyphen or digit, such as `source` of `source-96`."""
    return re.split(r"[-\d]", label, maxsplit=1)[0]


def shortlists(
    records: Sequence[Record], baselines: Sequence[Record], known: Estimates, target_ms: float
) -> list[Shortlist]:
    """Who competes for the last rung, of those that meet every limit: the candidates, and each kind of baseline.

    Designs whose screening is above the target, though its interval is not, come last: most of them miss when they are
    measured again.

    Args:
        records: The candidates.
        baselines: The baselines.
        known: What all scores say.
        target_ms: The latency limit.
    """

    def ordered(some: Sequence[Record]) -> list[TrainedRecord]:
        return sorted(most_accurate(some, known), key=lambda one: one.evaluation.latency.latency_ms > target_ms)

    kinds: dict[str, list[str]] = {}
    for record in ordered(baselines):
        kinds.setdefault(kind(record.label), []).append(record.label)
    candidates = tuple(record.label for record in ordered(records))
    return [Shortlist(TOP_K, candidates), *(Shortlist(1, tuple(labels)) for labels in kinds.values())]


def standing(study: StoredStudy) -> Standing:
    """Where a study's last rung stands."""
    return _standing(_Kept.of(study), len(_trained(study)))


class Promotions:
    """Which promoted design is trained next."""

    def __init__(self, study: StoredStudy, steps: int | None, kinds: int = 0) -> None:
        """Begin.

        Args:
            study: The stored study.
            steps: Steps of the last rung; None where there is none.
            kinds: Kinds of baselines that there are, for estimates.
        """
        self._study, self._steps = study, steps
        self._expected = TOP_K + kinds
        self._began = False
        self._running: set[str] = set()
        self._here = 0
        # A failure is a design's own once another training has succeeded after it. Until then it may be the machine's
        # fault, such as of a full memory, and this process tries the design again.
        kept = _Kept.of(study)
        own = {label: failure for label, failure in kept.failures.items() if failure["scores"] < len(kept.scores)}
        if own != kept.failures:
            study.keep("last_rung_failures", own)

    def next(self, parallel: int) -> tuple[TrainedRecord, Promotion] | NoTrial:
        """The next design, or why there is none now; every trial has ended.

        Args:
            parallel: How many may be under way at once.
        """
        self._began = True
        trained, kept = _trained(self._study), _Kept.of(self._study)
        if kept.trained != len(trained):
            self._decide(trained)
            kept = _Kept.of(self._study)
        waiting = [label for label in _standing(kept, len(trained)).missing if label not in self._running]
        if not waiting:
            return NoTrial.WAIT if self._running else NoTrial.DONE
        if len(self._running) >= parallel:
            return NoTrial.WAIT
        self._running.add(waiting[0])
        return trained[waiting[0]], Promotion()

    def done(self, label: str, last: LastRung) -> None:
        """Keep what a training gave."""
        self._study.keep("last_rung", {**(self._study.attribute("last_rung") or {}), label: last.to_dict()})
        self._study.annotate(_trained(self._study)[label])
        self._running.discard(label)
        self._here += 1

    def fail(self, label: str, reason: str) -> None:
        """Keep why a training gave nothing; the next of its list takes the place."""
        kept = _Kept.of(self._study)
        failure = {"reason": reason, "scores": len(kept.scores)}
        self._study.keep("last_rung_failures", {**kept.failures, label: failure})
        self._running.discard(label)

    @property
    def running(self) -> int:
        """Trainings under way."""
        return len(self._running)

    @property
    def phase(self) -> LastPhase | None:
        """How far the trainings have come; None before they begin."""
        if not self._began:
            return None
        now = standing(self._study)
        return LastPhase("last rung", len(now.promoted) - len(now.missing), len(now.promoted), len(now.failed))

    @property
    def work(self) -> tuple[float, float]:
        """What was trained since the search (re)started, and what is still to be trained, in proxies."""
        kept, trained = _Kept.of(self._study), _trained(self._study)
        left = len(_standing(kept, len(trained)).missing) if self._began else self._expected
        each = self._proxies(kept.scores.values(), trained.values())
        return self._here * each, left * each

    def _decide(self, trained: dict[str, TrainedRecord]) -> None:
        study = self._study
        known = estimates(list(trained.values()), study.repeats())
        found = shortlists(study.records(), study.baselines(), known, study.target_ms)
        lists = [{"places": one.places, "labels": list(one.labels)} for one in found]
        study.keep("promotion", {"trained": len(trained), "lists": lists})

    def _proxies(self, scores: Collection[LastRung], trained: Collection[Record]) -> float:
        """How many evaluations take as long as one training at the last rung: as measured, or by the steps."""
        took = [r.evaluation.seconds for r in trained if r.evaluation]
        each = mean([sum(one.values()) for one in took] or [0.0])
        if scores and each:
            return mean(one.seconds for one in scores) / each
        # An evaluation also builds and measures, which no further step repeats.
        share = mean(one["proxy"] for one in took) / each if each else 1.0
        return share * (self._steps or 0) / self._study.proxy_steps


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a study keeps of its last rung.

    Attributes:
        scores: What the trainings gave, by label.
        trained: Designs that were trained when it was decided who is promoted; None before.
        shortlists: Who competes.
        failures: By label, why a training failed, and how many scores there were then.
    """

    scores: dict[str, LastRung]
    trained: int | None
    shortlists: list[Shortlist]
    failures: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, study: StoredStudy) -> Self:
        kept = study.attributes()
        decision = kept.get("promotion", {"trained": None, "lists": []})
        lists = [Shortlist(one["places"], tuple(one["labels"])) for one in decision["lists"]]
        return cls(read_last_rungs(kept), decision["trained"], lists, kept.get("last_rung_failures", {}))

    @property
    def promoted(self) -> tuple[str, ...]:
        """The best of every list before the second of any, so that a search that is cut short can compare them."""
        sound = [[label for label in one.labels if label not in self.failures][: one.places] for one in self.shortlists]
        return tuple(label for row in zip_longest(*sound) for label in row if label is not None)


def _standing(kept: _Kept, trained: int) -> Standing:
    promoted = kept.promoted
    missing = tuple(label for label in promoted if label not in kept.scores)
    failed = {label: failure["reason"] for label, failure in kept.failures.items()}
    return Standing(promoted, missing, failed, kept.trained == trained)


def _trained(study: StoredStudy) -> dict[str, TrainedRecord]:
    """Every trained design by label, baselines first."""
    return {record.label: record for record in [*study.trained_baselines(), *study.trained()]}
