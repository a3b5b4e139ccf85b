"""What a full training begins with: the channels of a checkpoint, tuned on the data first."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.data import DetectionData, load
from nas.errors import UsageError
from nas.inherit import SourceChoice
from nas.model import Losses
from nas.proxy import ProxySettings
from nas.results import Design
from nas.util.image_size import RULE, fits
from nas.util.paths import writable_dir
from nas.util.plain_path import plain_name


@dataclass(frozen=True, slots=True)
class Start:
    """What a training begins with.

    Attributes:
        source: Whose channels the design inherits.
        imgsz: The input size at which that source is trained on the data first.
        fraction: Share of the training pictures on which it is tuned.
        how: How it is tuned: as in the design's search, which has left it in the cache folder.
    """

    source: SourceChoice
    imgsz: int
    fraction: float
    how: ProxySettings


def start_of(source: SourceChoice, design: Design, arguments: Mapping[str, Any], losses: Losses) -> Start:
    """What a training begins with: a source tuned as in the design's search, else at the size of the training.

    Args:
        source: An Ultralytics checkpoint of a detector, or a YOLO11 with fresh weights.
        design: The design.
        arguments: Of the training.
        losses: What it penalises.

    Raises:
        UsageError: The training has no single input size that is a multiple of 32.
    """
    from torch import cuda

    from nas.inherit import default_steps, how_to_tune

    size = arguments.get("imgsz", 640)
    if not fits(size):
        raise UsageError(f"--from needs one input size, {RULE}; got imgsz={size}")
    here = "cuda:0" if cuda.is_available() and str(arguments.get("device", "")) != "cpu" else "cpu"
    settings = design.provenance.get("settings", {})
    if not settings.get("source"):
        return Start(source, size, 1.0, how_to_tune(default_steps(source), here, losses=losses))
    searched = Losses(settings["class_loss"], settings["box_loss"])
    device = settings["train_device"] if here != "cpu" else "cpu"
    how = how_to_tune(settings["source_steps"], device, settings["batch"], searched)
    return Start(source, max(settings["imgsz"]), settings["fraction"], how)


def write_start(start: Start, design: Design, data: DetectionData, imgsz: int, project: Path) -> Path:
    """The checkpoint that a training begins with, in the folder of the trainings; says what it takes.

    Args:
        start: What it begins with.
        design: The design.
        data: What it is trained on.
        imgsz: The training's input size in pixels.
        project: Folder of the trainings.

    Raises:
        ModelError: The checkpoint or the design cannot be used, or nothing of the one fits the other.
        DataError: The pictures cannot be read.
        ProxyError: The tuning diverged, or memory ran out.
        StorageError: A folder cannot be written.
    """
    from ultralytics.utils import LOGGER

    from nas.inherit import tuned_start, write_checkpoint

    source = start.source

    tuned_on = data if start.fraction == 1 else load(str(data.source), fraction=start.fraction)

    def on_step(done: int, of: int) -> None:
        if done % 50 == 0 or done == of:
            LOGGER.info(f"{source.name} is trained on {data.name}: {done} of {of} steps")

    model, share = tuned_start(source, design.path, data, imgsz, tuned_on, start.imgsz, start.how, on_step)
    LOGGER.info(f"{100 * share:.0f}% of the parameters begin with {source}, trained on {data.name}")
    path = writable_dir(project / "start") / f"{plain_name(design.path.stem)}.pt"
    write_checkpoint(model, path, imgsz, source.name)
    return path
