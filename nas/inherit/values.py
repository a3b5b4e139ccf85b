"""What is said of a tuned source. Light to import: reports need it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from nas.proxy import Score


@dataclass(frozen=True, slots=True)
class Tuned:
    """A source tuned on a data set.

    Attributes:
        file: Where it lies, in the cache folder.
        checkpoint: Absolute path of the checkpoint that was tuned.
        steps: Steps of its tuning; 0 where it had been trained on these data already.
        score: Its score on the selection part, at the input size at which it was tuned.
        imgsz: That size in pixels.
        digest: Of its weights and of the importance of its channels.
    """

    file: Path
    checkpoint: Path
    steps: int
    score: Score
    imgsz: int
    digest: str

    @property
    def sentence(self) -> str:
        """How it was tuned, and what it reached."""
        if self.steps:
            return f"tuned for {self.steps} steps: {self._reached}"
        return (
            f"trained on these data already: {self._reached}, which that training has seen, and val has chosen among "
            "its epochs: scores on either flatter the source and all that inherits from it"
        )

    @property
    def _reached(self) -> str:
        return f"mAP50-95 {self.score.map50_95:.3f} on the selection part at {self.imgsz} px"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "file": str(self.file), "checkpoint": str(self.checkpoint)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        paths = {name: Path(data[name]) for name in ("file", "checkpoint")}
        return cls(**{**data, **paths, "score": Score(**data["score"])})
