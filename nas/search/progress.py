"""How far a search has come."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nas.data import DetectionData
from nas.inherit import Tuned
from nas.search.feasibility import Feasibility
from nas.study import Record, SearchSettings


@dataclass(frozen=True, slots=True)
class OtherSeeds:
    """How far the trainings of the best with other seeds have come.

    Attributes:
        done: Trainings done.
        of: Trainings that there will be.
        failed: Trainings that failed.
    """

    done: int
    of: int
    failed: int


@dataclass(frozen=True, slots=True)
class RungProgress:
    """How far the trainings at a rung have come.

    Attributes:
        steps: Steps of each.
        done: Trainings done.
        of: Designs that are promoted to it so far.
        failed: Trainings that failed.
    """

    steps: int
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
        left_s: Estimated seconds to the end; None where the parts of the search could not be timed.
        other_seeds: The trainings that follow the trials; None before they have ended.
        rungs: Every rung to which a design was promoted.
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
    other_seeds: OtherSeeds | None = None
    rungs: tuple[RungProgress, ...] = ()


class Reporter(Protocol):
    """What the user is shown while a search runs."""

    def reading(self, done: int, of: int) -> None:
        """Pictures of the data set are read for the first time."""

    def choosing(self) -> None:
        """YOLO11 is being measured, to choose a space and its input sizes."""

    def tuning(self, done: int, of: int) -> None:
        """The source is being tuned on the data; steps done."""

    def tuned(self, source: Tuned) -> None:
        """The source is tuned; candidates inherit from it."""

    def opened(self, folder: Path, settings: SearchSettings, data: DetectionData, done: int) -> None:
        """The study is open, the device is measured next; `done` candidates were trained before."""

    def waiting(self, text: str) -> None:
        """The device gives no latency now; why, and when it is asked again."""

    def feasible(self, found: Feasibility) -> None:
        """The target can be met."""

    def estimated(self, seconds: float, budget: int, asked: int, fits: bool) -> None:
        """How long the rest of the search takes, about, for how many candidates of those asked for; if that fits."""

    def progress(self, progress: Progress) -> None:
        """A trial has finished."""

    def interrupted(self) -> None:
        """Ctrl-C was pressed; the front so far is being finished."""

    def confirming(self, labels: str) -> None:
        """Candidates for the last rung are being measured in fresh processes."""

    def finalists(self, labels: str) -> None:
        """Finalists are being measured together."""

    def comparing(self, labels: str) -> None:
        """The best design is being compared with the best baseline, picture by picture."""
