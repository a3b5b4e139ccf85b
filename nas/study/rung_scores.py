"""A rung is a length of training that designs are promoted to; a search has a last one, which names its winner."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from nas.proxy import Score
from nas.study.store import StoredStudy


@dataclass(frozen=True, slots=True)
class LastRung:
    """What a design's training at the last rung gave.

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


def weights_name(label: str, *, last: bool = False) -> str:
    """File stem of a design's weights in `models/`.

    Args:
        label: `trial-7`, or a baseline's name.
        last: Of its training at the last rung, not of its proxy.
    """
    return f"{label}-last" if last else label


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the last rung of a search stands.

    Attributes:
        promoted: Labels of the promoted designs, in the order of their trainings.
        missing: Those that have no score yet.
        failed: By label, why a training at the last rung failed.
        decided: Whether it is decided who is promoted, from all designs that are trained now.
    """

    promoted: tuple[str, ...]
    missing: tuple[str, ...]
    failed: dict[str, str]
    decided: bool

    @property
    def finished(self) -> bool:
        """Whether nothing is left to be trained."""
        return self.decided and not self.missing


def last_rungs(study: StoredStudy) -> dict[str, LastRung]:
    """What the trainings at the last rung gave, by label."""
    return read_last_rungs(study.attributes())


def read_last_rungs(attributes: Mapping[str, Any]) -> dict[str, LastRung]:
    """The same, from a study's attributes."""
    return {label: LastRung.from_dict(value) for label, value in attributes.get("last_rung", {}).items()}
