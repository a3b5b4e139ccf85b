"""A rung is a length of training that designs are promoted to; a search has a last one, which names its winner."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from nas.proxy.settings import Score


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
