"""How far a search has come."""

from dataclasses import dataclass
from typing import Literal

from nas.study.store import Record


@dataclass(frozen=True, slots=True)
class LastPhase:
    """How far the trainings have come that follow the trials.

    Attributes:
        kind: The best with other seeds, or at the last rung.
        done: Trainings done.
        of: Trainings that there will be.
        failed: Trainings that failed.
    """

    kind: Literal["other seeds", "last rung"]
    done: int
    of: int
    failed: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search has come.

    Attributes:
        budget: Candidates to train.
        trained: Candidates trained.
        rejected: Candidates that missed a limit.
        failed: Candidates that failed.
        running: Candidates being evaluated.
        best: The most accurate trained candidate so far.
        last: The trial that finished last.
        seconds: Seconds since the search (re)started.
        left_s: Estimated seconds to the end, None before the first training is done.
        last_phase: What follows the trials; None before they have ended.
    """

    budget: int
    trained: int
    rejected: int
    failed: int
    running: int
    best: Record | None
    last: Record | None
    seconds: float
    left_s: float | None
    last_phase: LastPhase | None = None
