"""What a search does next, a design to evaluate or one of the best to train once more; and what comes of it."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from pydantic import TypeAdapter

from nas.architecture import Architecture
from nas.proxy import Score
from nas.study import Evaluation, RungScore


@dataclass(frozen=True, slots=True)
class Replicate:
    """A design that was evaluated is trained with another seed.

    Attributes:
        number: Number of the seed, from 1.
    """

    number: int


@dataclass(frozen=True, slots=True)
class Promotion:
    """A design that was evaluated is trained at a rung.

    Attributes:
        steps: Steps of the rung.
        lr: The learning rate that was the better one at the rung below; None where there is none.
    """

    steps: int
    lr: float | None = None


More = Replicate | Promotion


@dataclass(frozen=True, slots=True)
class PendingTrial:
    """A design and what is to be done with it.

    Attributes:
        number: Trial number inside its study.
        label: File stem of its YAML and weights: `trial-7`, or a baseline's name.
        architecture: The design.
        baseline: Whether it is a baseline, which is trained also when it misses a limit.
        more: How it is trained once more; None to evaluate it.
        steps: Steps of its proxy, where they are others than were asked for.
    """

    number: int
    label: str
    architecture: Architecture
    baseline: bool = False
    more: More | None = None
    steps: int | None = None


class NoTrial(Enum):
    """Why there is no trial to begin: the running ones decide, or the search is over."""

    WAIT = "wait"
    DONE = "done"


FailureKind = Literal[
    "failed", "disturbed", "no memory", "process unusable", "device lost", "not written", "data changed"
]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a trial gave nothing.

    Attributes:
        kind: `failed` is the design's own fault; `disturbed`: the device was too busy to be measured; `no memory`:
            memory was too full to train; `process unusable`: every later trial would fail in this process, too; the
            others end the search: the device is gone, a file could not be written, the data are gone or not the same
            any more.
        reason: For the user.
    """

    kind: FailureKind
    reason: str


Result = Evaluation | Score | RungScore | Failure
"""Of an evaluation, of a replicate, of a promotion, of any."""

PENDING: TypeAdapter[PendingTrial] = TypeAdapter(PendingTrial)
RESULT: TypeAdapter[Result] = TypeAdapter(Result)
"""What travels between processes, as JSON."""
