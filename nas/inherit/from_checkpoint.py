"""`ghostnas inherit`: from a checkpoint and a design to a checkpoint that the design's training starts from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nas.data import DetectionData
from nas.errors import ModelError
from nas.inherit.child import SectionAccount, accounts, describe_file, inherit
from nas.inherit.class_rows import class_rows
from nas.inherit.importance import norms
from nas.model import load_model
from nas.proxy import load_known
from nas.util.torch_threads import threads

_STOCK_SIZE = 640
_HEADS = ("Detect", "SlimDetect", "MBConvDetect")


@dataclass(frozen=True, slots=True)
class Start:
    """A design with a source's channels.

    Attributes:
        model: The detection model, float32, in evaluation mode.
        imgsz: Its input size in pixels.
        sections: What each of its parts took.
        classes: Class names.
        importance: What the importance of channels is of, as a sentence.
    """

    model: Any
    imgsz: int
    sections: tuple[SectionAccount, ...]
    classes: tuple[str, ...]
    importance: str


def start(checkpoint: Path, design: Path, imgsz: int | None, data: DetectionData | None, repair: bool = True) -> Start:
    """Build a design and let it begin with a checkpoint's channels, in one thread.

    Args:
        checkpoint: Any Ultralytics checkpoint of a detector.
        design: A model YAML.
        imgsz: Its input size in pixels; None for Ultralytics' default.
        data: What it will be trained on; None where the source's or the design's classes are meant.
        repair: Whether its convolutions are fitted to the source's outputs; only with data.

    Raises:
        ModelError: The checkpoint or the design cannot be used, or nothing of the one fits the other.
        DataError: The pictures cannot be read.
    """
    # Two threads are half as fast as one where another process computes, and sums would depend on their number.
    with threads(1):
        return _start(checkpoint, design, imgsz, data, repair)


def _start(checkpoint: Path, design: Path, imgsz: int | None, data: DetectionData | None, repair: bool) -> Start:
    source = load_source(checkpoint)
    imgsz = imgsz or _STOCK_SIZE
    model = build_design(design, data)
    table = describe_file(source, str(checkpoint))
    describe_file(model, str(design))  # before pictures are read
    if data is None:
        names, classes = _classes(model, source)
        done = inherit(table, model, norms(table), classes)
        importance = "importance: norms of the source's weights; with --data, what its channels do on your pictures"
    else:
        names, classes = data.names, class_rows(data.names, tuple(source.names.values()))
        from nas.inherit.on_data import inherit_on_data  # its losses load torchvision, which takes seconds

        done, importance = inherit_on_data(source, model, data, imgsz, classes, repair=repair)
    model.names = dict(enumerate(names))
    return Start(model.eval(), imgsz, accounts(done), names, importance)


def load_source(checkpoint: Path) -> Any:
    """A checkpoint's detector, float32, in evaluation mode.

    Args:
        checkpoint: Any Ultralytics checkpoint of a detector.

    Raises:
        ModelError: It cannot be loaded, holds no detector, or its weights are not finite.
    """
    try:
        model = load_known(str(checkpoint)).float()
    except ModelError as error:
        raise ModelError(" ".join(str(error).split())) from error  # Ultralytics' own messages have several lines
    head = type(model.model[-1]).__name__
    if head not in _HEADS:  # a checkpoint need not say its task
        raise ModelError(
            f"{checkpoint} must end in a detection head of YOLO11's kind ({', '.join(_HEADS)}), got {head}"
        )
    bad = next((name for name, value in model.state_dict().items() if not value.isfinite().all()), None)
    if bad is not None:
        raise ModelError(f"{checkpoint}: the weights {bad} are not finite; the training diverged")
    return model


def build_design(design: Path, data: DetectionData | None) -> Any:
    """A design's model, always with the same fresh weights.

    Args:
        design: A model YAML.
        data: The data whose classes it is to have; None for as many as its YAML says.

    Raises:
        ModelError: It cannot be built.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return load_model(design, None if data is None else data.nc)


def _classes(model: Any, source: Any) -> tuple[tuple[str, ...], tuple[int | None, ...]]:
    """The names of the design's classes without data, and the source's row of each."""
    nc, theirs = int(model.model[-1].nc), tuple(source.names.values())
    if nc == len(theirs):
        return theirs, tuple(range(nc))
    return tuple(f"class_{number}" for number in range(nc)), (None,) * nc
