"""What a source is, and what is said of a tuned one. Light to import: reports need it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from nas.model import find_checkpoint
from nas.proxy import SELF_STEPS, SOURCE_STEPS, Score
from nas.space import Scale

SCALES: tuple[Scale, ...] = ("n", "s", "m")
"""Scales of YOLO11 from which a search can start."""


@dataclass(frozen=True, slots=True)
class FreshSource:
    """A source that no checkpoint holds: a YOLO11 that is trained on the user's data from scratch first.

    Attributes:
        scale: Its scale.
    """

    scale: Scale

    def __str__(self) -> str:
        """What `--from` calls it."""
        return "self" if self.scale == "n" else f"self-{self.scale}"

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"YOLO11{self.scale} from scratch"


SourceChoice = Path | FreshSource
"""A checkpoint, or what stands in its place."""


def fresh_source(word: str) -> FreshSource | None:
    """The source that `self`, `self-s` or `self-m` names; None for any other word, which names a checkpoint."""
    return next((one for one in map(FreshSource, SCALES) if str(one) == word), None)


def find_source(word: str) -> SourceChoice:
    """The source that a user names: `self`, `self-s`, `self-m`, or a checkpoint's absolute path.

    Raises:
        ModelError: There is no such checkpoint.
    """
    return fresh_source(word) or find_checkpoint(Path(word)).absolute()


def default_steps(source: SourceChoice) -> int:
    """For how many steps a source is trained on the user's data by default."""
    return SELF_STEPS if isinstance(source, FreshSource) else SOURCE_STEPS


@dataclass(frozen=True, slots=True)
class Tuned:
    """A source tuned on a data set.

    Attributes:
        file: Where it lies, in the cache folder.
        source: What was tuned, as `--from` names it: the absolute path of a checkpoint, or `self`.
        steps: Steps of its tuning; 0 where it had been trained on these data already.
        score: Its score on the selection part, at the input size at which it was tuned.
        imgsz: That size in pixels.
        digest: Of its weights and of the importance of its channels.
    """

    file: Path
    source: str
    steps: int
    score: Score
    imgsz: int
    digest: str

    @property
    def sentence(self) -> str:
        """How it was tuned, and what it reached."""
        if fresh_source(self.source) is not None:
            return f"trained from scratch for {self.steps} steps: {self._reached}"
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
        return {**asdict(self), "file": str(self.file)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**{**data, "file": Path(data["file"]), "score": Score(**data["score"])})
