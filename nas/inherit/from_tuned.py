"""A design begins with the channels of a tuned source, its convolutions refitted to the source's outputs."""

from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nas.data import DetectionData
from nas.inherit.channel_spaces import Table
from nas.inherit.child import describe_file, inherit
from nas.inherit.from_checkpoint import build_design
from nas.inherit.importance import Scores
from nas.inherit.on_data import calibrate, repair_images, sample_of
from nas.inherit.repair import refit
from nas.inherit.repair_boxes import refit_boxes
from nas.inherit.roles import describe
from nas.inherit.stages import teach
from nas.inherit.taylor import CPU
from nas.inherit.tuned import OnStep, read_tuned, tune
from nas.inherit.values import SourceChoice
from nas.proxy import ProxySettings, TrainingLock, passing
from nas.util.machine_lock import MachineLock
from nas.util.torch_threads import threads


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A tuned source.

    Attributes:
        model: The detector, with the data's classes, float32, in evaluation mode.
        table: Its layers and channel spaces.
        scores: Importance of its channels on the user's pictures.
    """

    model: Any
    table: Table
    scores: Scores


TAUGHT_STEPS = 100
"""For how long stages of another family learn the source's maps before a long training."""


def begin(
    model: Any, path: Path, data: DetectionData, imgsz: int, taught: int = 0, lock: TrainingLock | None = None
) -> float:
    """Let a design begin with a tuned source's channels.

    Args:
        model: The design's model, freshly built for the data's classes; changed in place, left in evaluation mode.
        path: A file of `nas.inherit.tuned.tune`.
        data: The data set on which it was tuned.
        imgsz: The design's input size in pixels.
        taught: Steps for which stages of another family learn the source's maps first; 0 for none.
        lock: Passed with whatever computes.

    Returns:
        The share of its parameters that comes from the source, in [0, 1].

    Raises:
        ModelError: Nothing of the source fits.
        DataError: The pictures cannot be read.
        StorageError: The source's file is gone, or cannot be read.
    """
    with threads(1):  # sums depend on their number
        with passing(lock, CPU):
            source, pictures = _at_size(path, data, imgsz), sample_of(data, imgsz)
            done = inherit(source.table, model, source.scores, range(data.nc))
        if taught:
            teach(done.stages, source.model, pictures, taught, lock=lock)
        with passing(lock, CPU):
            known, images = done.beside_stages() if taught else done.counterparts, repair_images(pictures)
            refit(known, source.model, model, images)
            refit_boxes(done.boxes, source.model, model, images)
    return sum(entry.taken for entry in done.entries) / sum(entry.params for entry in done.entries)


def tuned_start(
    source: SourceChoice,
    design: Path,
    data: DetectionData,
    imgsz: int,
    tuned_on: DetectionData,
    tuned_at: int,
    how: ProxySettings,
    on_step: OnStep,
) -> tuple[Any, float]:
    """A design that begins with a source's channels, the source tuned on the data first.

    Args:
        source: Any Ultralytics checkpoint of a detector, or a YOLO11 with fresh weights.
        design: A model YAML.
        data: What it will be trained on.
        imgsz: Its input size in pixels.
        tuned_on: The same data, or the part of it on which the source is tuned.
        tuned_at: The input size at which the source is tuned; one that a search has tuned is not tuned again.
        how: How it is tuned.
        on_step: Called after each step of the tuning.

    Returns:
        The model in evaluation mode, and the share of its parameters that comes from the source.

    Raises:
        ModelError: The source or the design cannot be used, or nothing of the one fits the other.
        DataError: The pictures cannot be read.
        ProxyError: The tuning diverged, or memory ran out.
        StorageError: The cache folder cannot be written.
    """
    model = build_design(design, data)
    describe_file(model, str(design))  # before the source is tuned
    lock = MachineLock()
    tuned = tune(source, tuned_on, tuned_at, how, lock, on_step)
    share = begin(model, tuned.file, data, imgsz, TAUGHT_STEPS, lock)
    model.names = dict(enumerate(data.names))
    return model.eval(), share


@lru_cache(maxsize=4)
def _at_size(path: Path, data: DetectionData, imgsz: int) -> Source:
    """The source with its BatchNorm statistics at an input size."""
    known = _source(path)
    model = deepcopy(known.model)
    calibrate(model, sample_of(data, imgsz))
    return Source(model, describe(model), known.scores)


@lru_cache(maxsize=1)
def _source(path: Path) -> Source:
    content = read_tuned(path)
    return Source(content["model"], describe(content["model"]), content["scores"])
