"""What is compared: how a design begins, and which designs begin so in which experiment."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FOLDER = Path("results/reference/inherit")
Source = Literal["none", "given", "tuned", "self"]
Importance = Literal["taylor", "norm", "random"]


@dataclass(frozen=True, slots=True)
class Arm:
    """A way for a design to begin.

    Attributes:
        source: `none` (fresh weights), `given` (the checkpoint as it is), `tuned` (trained on the data first), or
            `self` (YOLO11n trained on the data from fresh weights).
        importance: What channels are chosen by.
        refit: Whether the convolutions are fitted to the source's outputs.
        boxes: Whether the last layers of the box branches are fitted, too.
        stages: Steps for which blocks of another family learn the source's maps, before the refit; 0 for none.
        teacher: Whether the tuned source teaches the design while it trains.
    """

    source: Source
    importance: Importance = "taylor"
    refit: bool = False
    stages: int = 0
    teacher: bool = False
    boxes: bool = False

    @property
    def name(self) -> str:
        """What tables call it, such as `tuned taylor refit`."""
        if self.source == "none":
            return "scratch"
        parts = (
            self.source,
            self.importance,
            "refit" * self.refit,
            "boxes" * self.boxes,
            f"stages{self.stages}" * (self.stages > 0),
        )
        return " ".join([*filter(None, parts), *["teacher"] * self.teacher])


SCRATCH, RECIPE = Arm("none"), Arm("tuned", refit=True)
STAGES, BOTH = 100, (60, 600)
WITH_STAGES = Arm("tuned", refit=True, stages=STAGES)
WITH_BOXES = Arm("tuned", refit=True, boxes=True)
BOXES_AND_STAGES = Arm("tuned", refit=True, boxes=True, stages=STAGES)
FEW_STAGES = Arm("tuned", refit=True, stages=30)
E1 = (
    RECIPE,
    WITH_STAGES,
    SCRATCH,
    Arm("given"),
    Arm("tuned"),
    Arm("tuned", stages=STAGES),
    Arm("self", refit=True),
    Arm("given", refit=True),
    Arm("tuned", "random", refit=True),
    Arm("tuned", refit=True, teacher=True),
    Arm("tuned", "random"),
    Arm("given", "norm"),
    Arm("given", "random"),
    Arm("given", stages=STAGES),
)
"""Arms of the first experiment, those first of which most hangs."""


@dataclass(frozen=True, slots=True)
class Job:
    """Trainings of several lengths from one beginning."""

    design: str
    arm: Arm
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Design:
    """A row of the table of designs."""

    label: str
    family: str
    held_out: bool
    key: str


def designs(path: Path = FOLDER / "designs.csv") -> dict[str, Design]:
    """The designs by label."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {row["label"]: Design(row["label"], row["family"], row["held_out"] == "1", row["key"]) for row in rows}


def jobs(experiment: str, known: dict[str, Design], some: Sequence[str] | None) -> Iterator[Job]:
    """The trainings of an experiment, so ordered that every beginning of the list tells something.

    Args:
        experiment: `e1` (how to begin), `e2` (what ranks designs that inherit), `boxes` (the same with box layers
            fitted), `levers` (half-width YOLO11 with one choice changed), `scratch` (the same designs from fresh
            weights), `self` (whether to train a YOLO11n from fresh weights first), `stages` (the ghost designs with
            stages taught, long or briefly) or `source` (the source's own design, at several sizes and lengths).
        known: The designs by label.
        some: Only these designs.
    """
    band = [one for one in known.values() if one.family in ("ghost", "plain")]
    if experiment == "e1":
        every = [
            Job(label, arm, (600,)) for arm in E1 for label in ("half", "g1") if arm.stages == 0 or label != "half"
        ]
    elif experiment == "e2":
        every = [Job(one.label, RECIPE, BOTH) for one in band]
    elif experiment == "boxes":
        every = [Job(one.label, arm, BOTH) for one in band for arm in (WITH_BOXES, BOXES_AND_STAGES)]
        every = [job for job in every if not job.arm.stages or known[job.design].family == "ghost"]
    elif experiment == "stages":
        ghost = [one.label for one in band if one.family == "ghost"]
        every = [Job(label, arm, BOTH) for label in ghost for arm in (WITH_STAGES, FEW_STAGES)]
    elif experiment == "self":
        every = [Job(label, arm, (600, 1200)) for label in ("half", "g1") for arm in (Arm("self", refit=True), SCRATCH)]
    elif experiment == "levers":
        levers = [one.label for one in known.values() if one.family == "lever"]
        every = [Job(label, WITH_BOXES, BOTH) for label in ("half", *levers)]
    elif experiment == "scratch":
        every = [Job(one.label, SCRATCH, BOTH) for one in band]
    else:
        every = [
            Job("yolo11n", Arm("tuned"), (600,)),
            Job("yolo11n", Arm("given"), (1200, 600)),
            *(Job(f"yolo11n-{imgsz}", Arm("given"), (1200,)) for imgsz in (128, 96, 192, 64, 224, 256)),
            Job("yolo11n", SCRATCH, (1200,)),
        ]
    yield from (job for job in every if some is None or job.design in some)
