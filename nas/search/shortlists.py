"""Who competes for a longer training: the designs that meet every limit, the most promising first."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Self

from nas.study import Estimates, Record, TrainedRecord, most_accurate


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Designs that compete for places at a rung.

    Attributes:
        places: How many of them are promoted.
        labels: The designs, those that are promoted first.
    """

    places: int
    labels: tuple[str, ...]

    def taken(self, failed: Collection[str]) -> tuple[str, ...]:
        """Who has a place; a design that failed has given its own away."""
        return self.without(failed).labels[: self.places]

    def without(self, some: Collection[str]) -> Self:
        """The same without some designs."""
        return replace(self, labels=tuple(label for label in self.labels if label not in some))

    def first(self, some: Collection[str]) -> Self:
        """The same with some designs before all others."""
        return replace(self, labels=tuple(sorted(self.labels, key=lambda label: label not in some)))

    def last(self, some: Collection[str]) -> Self:
        """The same with some designs after all others."""
        return replace(self, labels=tuple(sorted(self.labels, key=lambda label: label in some)))


def kind(label: str) -> str:
    """A baseline's kind: its label up to the first hyphen or digit, such as `source` of `source-96`."""
    return re.split(r"[-\d]", label, maxsplit=1)[0]


def is_candidate(label: str) -> bool:
    """Whether a label is a candidate's: `trial-7`."""
    return kind(label) == "trial"


def shortlists(
    records: Sequence[Record], baselines: Sequence[Record], known: Estimates, target_ms: float, places: int
) -> list[Shortlist]:
    """Who competes for a rung, of those that meet every limit: the candidates, and each kind of baseline.

    The candidates come by how probable each is the most accurate of them. Designs whose screening is above the target,
    though its interval is not, come last: most of them miss when they are measured again.

    Args:
        records: The candidates.
        baselines: The baselines.
        known: What all scores say.
        target_ms: The latency limit.
        places: Of the candidates; each kind of baseline has one.
    """

    def ordered(some: Sequence[Record]) -> list[TrainedRecord]:
        return sorted(_most_probable(some, known), key=lambda one: one.evaluation.latency.latency_ms > target_ms)

    kinds: dict[str, list[str]] = {}
    for record in ordered(baselines):
        kinds.setdefault(kind(record.label), []).append(record.label)
    candidates = tuple(record.label for record in ordered(records))
    return [Shortlist(places, candidates), *(Shortlist(1, tuple(labels)) for labels in kinds.values())]


def _most_probable(records: Sequence[Record], known: Estimates) -> list[TrainedRecord]:
    found = {record.label: record for record in most_accurate(records, known)}
    return [found[label] for label in known.order(list(found))]
