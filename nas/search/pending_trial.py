"""What a search does next: a design to evaluate, or one of the best to train once more; and what comes of it."""

from dataclasses import dataclass
from typing import Any, Self

from nas.architecture import Architecture
from nas.proxy import Score
from nas.study import Evaluation, LastRung


@dataclass(frozen=True, slots=True)
class Replicate:
    """A design that was evaluated is trained with another seed.

    Attributes:
        number: Number of the seed, from 1.
    """

    number: int


@dataclass(frozen=True, slots=True)
class Promotion:
    """A design that was evaluated is trained at the last rung."""


More = Replicate | Promotion
Found = Evaluation | Score | LastRung
"""Of an evaluation, of a repetition, of a promotion."""


@dataclass(frozen=True, slots=True)
class PendingTrial:
    """A design and what is to be done with it.

    Attributes:
        number: Trial number inside its study.
        label: File stem of its YAML and weights: `trial-7`, or a baseline's name.
        architecture: The design.
        baseline: Whether it is a baseline, which is trained also when it misses a limit.
        more: How it is trained once more; None to evaluate it.
    """

    number: int
    label: str
    architecture: Architecture
    baseline: bool = False
    more: More | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "number": self.number,
            "label": self.label,
            "architecture": self.architecture.to_dict(),
            "baseline": self.baseline,
            "repetition": self.more.number if isinstance(self.more, Replicate) else None,
            "promotion": isinstance(self.more, Promotion),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        more: More | None = Promotion() if data["promotion"] else None
        if data["repetition"] is not None:
            more = Replicate(data["repetition"])
        architecture = Architecture.from_dict(data["architecture"])
        return cls(data["number"], data["label"], architecture, data["baseline"], more)
