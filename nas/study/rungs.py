"""A rung is a length of training that the best designs are promoted to; the last one names the winner of a search."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from nas.proxy import Score
from nas.study.store import StoredStudy


@dataclass(frozen=True, slots=True)
class RungScore:
    """What a design's training at a rung gave.

    Attributes:
        score: Its score on the selection part.
        steps: Steps of the training.
        seconds: Wall time of the training, at every learning rate that was tried.
        lr: The learning rate that gave the score.
    """

    score: Score
    steps: int
    seconds: float
    lr: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**{**data, "score": Score(**data["score"])})


RungScores = Mapping[str, Mapping[int, RungScore]]
"""By label and steps: what trainings at the rungs above the proxies gave."""


def weights_name(label: str, steps: int | None = None) -> str:
    """File stem of a design's weights in `models/`.

    Args:
        label: `trial-7`, or a baseline's name.
        steps: Of its training at the rung of so many steps; None of its proxy.
    """
    return label if steps is None else f"{label}-{steps}"


def longest(scores: Mapping[int, RungScore]) -> RungScore | None:
    """The longest of a design's trainings above its proxy; None where there is none."""
    return scores[max(scores)] if scores else None


@dataclass(frozen=True, slots=True)
class RungStanding:
    """Where a rung of a search stands.

    Attributes:
        steps: Steps of its trainings.
        promoted: Labels of the designs that were promoted to it, in the order of their trainings.
        missing: Those that have no score yet.
        failed: By label, why a training failed; another design has its place.
        decided: Whether it is decided who is promoted, from all designs that are trained now.
    """

    steps: int
    promoted: tuple[str, ...]
    missing: tuple[str, ...]
    failed: dict[str, str]
    decided: bool

    @property
    def finished(self) -> bool:
        """Whether nothing is left to be trained."""
        return self.decided and not self.missing


def rung_scores(study: StoredStudy) -> dict[str, dict[int, RungScore]]:
    """What the trainings at the rungs above the proxies gave, by label and steps."""
    return read_rung_scores(study.attributes())


def read_rung_scores(attributes: Mapping[str, Any]) -> dict[str, dict[int, RungScore]]:
    """The same, from a study's attributes."""
    return {
        label: {int(steps): RungScore.from_dict(value) for steps, value in scores.items()}
        for label, scores in attributes.get("rungs", {}).items()
    }
