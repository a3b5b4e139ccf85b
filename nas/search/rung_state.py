"""What a study keeps of its rungs: who was promoted to which, what the trainings gave, and which failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Self

from nas.search.effort import Rung
from nas.search.shortlists import Shortlist
from nas.study import RungScores, RungStanding, StoredStudy, TrainedRecord, read_rung_scores, weights_name


def standing(study: StoredStudy, rungs: Sequence[Rung]) -> tuple[RungStanding, ...]:
    """Where the rungs of a study stand.

    Args:
        study: The stored study.
        rungs: The rungs above the proxies.
    """
    kept, trained = RungState.of(study), len(trained_by_label(study))
    return tuple(kept.standing(rung, trained) for rung in rungs)


def is_spread(rung: Rung, rungs: Sequence[Rung]) -> bool:
    """Whether candidates are promoted to a rung while the search proposes: to the first of several."""
    return len(rungs) > 1 and rung == rungs[0]


@dataclass(frozen=True, slots=True)
class Decision:
    """Who competes for a rung.

    Attributes:
        trained: Designs that were trained when it was decided.
        places: Of candidates.
        lists: The candidates, then each kind of baseline.
    """

    trained: int
    places: int
    lists: tuple[Shortlist, ...]

    def to_dict(self) -> dict[str, Any]:
        lists = [{"places": one.places, "labels": list(one.labels)} for one in self.lists]
        return {"trained": self.trained, "places": self.places, "lists": lists}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        lists = tuple(Shortlist(one["places"], tuple(one["labels"])) for one in data["lists"])
        return cls(data["trained"], data["places"], lists)


@dataclass(frozen=True, slots=True)
class RungState:
    """What a study keeps of its rungs.

    Attributes:
        scores: What the trainings gave, by label and steps.
        lists: Who competes, by steps of the rung.
        failures: By name of the weights that it would have had, why a training failed, and how many scores there were.
    """

    scores: RungScores
    lists: dict[int, Decision]
    failures: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, study: StoredStudy) -> Self:
        return cls.read(study.attributes())

    @classmethod
    def read(cls, attributes: Mapping[str, Any]) -> Self:
        """From what is kept with a study."""
        decisions = attributes.get("promotions", {})
        lists = {int(steps): Decision.from_dict(one) for steps, one in decisions.items()}
        return cls(read_rung_scores(attributes), lists, attributes.get("rung_failures", {}))

    @property
    def count(self) -> int:
        return sum(map(len, self.scores.values()))

    def failed(self, rung: Rung) -> dict[str, str]:
        """By label, why a training at a rung failed."""
        decided = self.lists.get(rung.steps)
        labels = [] if decided is None else [label for one in decided.lists for label in one.labels]
        names = {label: weights_name(label, rung.steps) for label in labels}
        return {label: self.failures[name]["reason"] for label, name in names.items() if name in self.failures}

    def promoted(self, rung: Rung) -> tuple[str, ...]:
        """The best of every list before the second of any, so that a search that is cut short can compare them."""
        decided, failed = self.lists.get(rung.steps), self.failed(rung)
        taken = [] if decided is None else [one.taken(failed) for one in decided.lists]
        return tuple(label for row in zip_longest(*taken) for label in row if label is not None)

    def missing(self, rung: Rung) -> tuple[str, ...]:
        return tuple(label for label in self.promoted(rung) if rung.steps not in self.scores.get(label, {}))

    def lr(self, label: str) -> float | None:
        """The learning rate that was the better one for a design at the rung below; None at its first rung."""
        below = self.scores.get(label, {})
        return below[max(below)].lr if below else None

    def standing(self, rung: Rung, trained: int) -> RungStanding:
        decided = self.lists.get(rung.steps)
        whole = decided is not None and decided.places >= rung.places and decided.trained == trained
        return RungStanding(rung.steps, self.promoted(rung), self.missing(rung), self.failed(rung), whole)


def trained_by_label(study: StoredStudy) -> dict[str, TrainedRecord]:
    """Every trained design by label, baselines first."""
    return {record.label: record for record in [*study.trained_baselines(), *study.trained()]}


def promoted_rungs(attributes: Mapping[str, Any], steps: Sequence[int]) -> list[RungStanding]:
    """Where the rungs stand to which a design was promoted, from what is kept with a study.

    Args:
        attributes: Everything that is kept with it.
        steps: Steps of its rungs.
    """
    state = RungState.read(attributes)
    found = [state.standing(Rung(one, 0), 0) for one in steps]
    return [one for one in found if one.promoted]
