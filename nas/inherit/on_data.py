"""Inheritance where there are pictures: a source's classes, statistics and importance on them, and the repair."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from nas.data import DetectionData, Pixels, pixels
from nas.inherit.amounts import batch_at, pictures_at
from nas.inherit.child import inherit
from nas.inherit.class_rows import class_rows
from nas.inherit.new_classes import trained_classes
from nas.inherit.repair import refit
from nas.inherit.repair_boxes import refit_boxes
from nas.inherit.roles import describe
from nas.inherit.taylor import CPU, MOST_PICTURES, taylor
from nas.inherit.transfer import Transfer
from nas.proxy import plain_images, recalibrate

_CALIBRATION = 128
_REPAIR = 64


def inherit_on_data(
    source: Any, model: Any, data: DetectionData, imgsz: int, classes: Sequence[int | None], *, repair: bool
) -> tuple[Transfer, str]:
    """Let a design begin with what a source's channels do on a data set; both models are changed in place.

    Args:
        source: A detection model, with its own classes.
        model: The design's model, freshly built for the data's classes.
        data: The data set.
        imgsz: The design's input size in pixels.
        classes: For each class of the data the source's, None for one that it does not have.
        repair: Whether the design's convolutions and its last box layers are fitted to the source's outputs.

    Returns:
        What was taken, and what the importance is of.

    Raises:
        DataError: A picture cannot be read, or they do not fit into memory.
        ModelError: Nothing of the source fits.
    """
    pictures = sample_of(data, imgsz)
    take_classes(source, data.names)
    calibrate(source, pictures)
    table = describe(source)
    with trained_classes(source, pictures) if None in classes else nullcontext():
        found = taylor(table, source, pictures)
    known = [None if row is None else number for number, row in enumerate(classes)]
    done = inherit(table, model, found.scores, known)
    if repair:
        refit(done.counterparts, source, model, repair_images(pictures))
    calibrate(model, pictures)
    if repair:
        refit_boxes(done.boxes, source, model, repair_images(pictures))
    fits = ", as many as fit into 40 s" if found.pictures < len(pictures) else ""
    return done, f"importance: Taylor, on {found.pictures} training pictures at {imgsz} px{fits}"


def sample_of(data: DetectionData, imgsz: int) -> Pixels:
    """The first training pictures, at most 256.

    Args:
        data: The data set.
        imgsz: Side of the square input in pixels.

    Raises:
        DataError: A picture cannot be read, or they do not fit into memory.
    """
    return pixels(data.train.part(0, MOST_PICTURES), imgsz)  # their order hangs on the pixels, not on the files


@torch.no_grad()
def take_classes(source: Any, names: Sequence[str]) -> int:
    """Give a source the classes of a data set: rows of the same name stay, others begin fresh with Ultralytics' prior.

    Args:
        source: A detection model, changed in place.
        names: The classes.

    Returns:
        How many classes were the source's already.
    """
    rows = class_rows(names, tuple(source.names.values()))
    head, random = source.model[-1], torch.Generator().manual_seed(0)
    for branches in (head.cv3, *filter(None, [getattr(head, "one2one_cv3", None)])):
        for branch, stride in zip(branches, head.stride.tolist(), strict=True):
            branch[-1] = _with_classes(branch[-1], rows, stride, random)
    head.nc = source.nc = len(names)
    head.no = head.nc + 4 * head.reg_max
    source.names = dict(enumerate(names))
    return sum(row is not None for row in rows)


def _with_classes(conv: nn.Conv2d, rows: Sequence[int | None], stride: float, random: torch.Generator) -> nn.Conv2d:
    made = nn.Conv2d(conv.in_channels, len(rows), 1)
    assert made.bias is not None and conv.bias is not None
    made.weight.normal_(0, 0.01, generator=random)
    made.bias.fill_(math.log(5 / len(rows) / (640 / stride) ** 2))  # as `Detect.bias_init`
    for ours, theirs in enumerate(rows):
        if theirs is not None:
            made.weight[ours], made.bias[ours] = conv.weight[theirs], conv.bias[theirs]
    return made


def calibrate(model: Any, pictures: Pixels) -> None:
    """Take a model's BatchNorm statistics anew on the user's pictures.

    Args:
        model: A detection model, changed in place and left in evaluation mode.
        pictures: Training pictures at the size that counts.
    """
    imgsz = pictures.images.shape[-1]
    recalibrate(model, pictures, pictures_at(_CALIBRATION, imgsz), batch_at(imgsz), CPU, "float32")


def repair_images(pictures: Pixels) -> Tensor:
    """The pictures on which a repair looks, (B, 3, S, S).

    Args:
        pictures: Training pictures.
    """
    count = min(pictures_at(_REPAIR, pictures.images.shape[-1]), len(pictures))
    return plain_images(pictures, torch.linspace(0, len(pictures) - 1, count).long(), CPU)
