"""The score: mAP by Ultralytics' own NMS, matching and average-precision code, in original-image coordinates.

The settings are those of Ultralytics' validation: confidence from 0.001, NMS at IoU 0.7 with several classes
a box, at most 300 detections a picture, everything in float32.

A finished model that finds nothing right scores 0.0: that is a measured value. A model whose outputs are not
finite has no score: `ProxyError`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.data import DetectionData, Labels, Pixels, Split, batches
from nas.errors import ProxyError
from nas.proxy.augment import plain_images
from nas.proxy.device import TrainingLock, find_device, passing
from nas.proxy.memory import enough_memory
from nas.proxy.settings import Score
from nas.util import ultralytics_env

ultralytics_env.prepare()

import torchvision  # noqa: E402, F401  # with it imported, Ultralytics takes its compiled NMS
from ultralytics.engine.validator import BaseValidator  # noqa: E402
from ultralytics.utils.metrics import ap_per_class, box_iou  # noqa: E402
from ultralytics.utils.nms import non_max_suppression  # noqa: E402
from ultralytics.utils.ops import xywh2xyxy  # noqa: E402

_CONFIDENCE = 0.001
_NMS_IOU = 0.7
_MOST_DETECTIONS = 300
_THRESHOLDS = SimpleNamespace(iouv=torch.linspace(0.5, 0.95, 10))
_BATCH = 16
_HOST = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Detected:
    """One picture's detections beside its objects; boxes are (x1, y1, x2, y2) in pixels of the original picture.

    Attributes:
        boxes: (detections, 4), the most confident first.
        confidence: (detections,).
        kinds: (detections,), their classes.
        objects: (objects, 4), the boxes of what is there.
        truth: (objects,), the true classes.
    """

    boxes: NDArray[np.float32]
    confidence: NDArray[np.float32]
    kinds: NDArray[np.float32]
    objects: NDArray[np.float32]
    truth: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Matched:
    """One picture's detections, matched with what is in it.

    Attributes:
        right: (detections, 10), whether a detection is right at IoU 0.5, 0.55, ... 0.95.
        confidence: (detections,).
        kinds: (detections,), their classes.
        truth: (objects,), the true classes.
    """

    right: NDArray[np.bool_]
    confidence: NDArray[np.float32]
    kinds: NDArray[np.float32]
    truth: NDArray[np.float32]


@torch.no_grad()
def validate(
    model: nn.Module,
    split: Split,
    data: DetectionData,
    imgsz: int,
    *,
    device: str = "cpu",
    lock: TrainingLock | None = None,
) -> Score:
    """Score a model on a split.

    The model is put into evaluation mode and moved to the device; nothing else of it changes.

    Args:
        model: A detection model for the data's classes.
        split: The pictures: `data.select` or `data.val`.
        data: The data set that the split belongs to.
        imgsz: Side of the square input.
        device: Where to compute.
        lock: Passed with every batch.

    Raises:
        ProxyError: The model's classes are not the data's, its outputs are not finite, or memory ran out.
        DataError: The pictures cannot be read.
    """
    check_classes(model, data)
    place = find_device(device)

    def predict(images: Tensor) -> Tensor:
        output = model(images.contiguous(memory_format=torch.channels_last))
        raw: Tensor = output[0] if isinstance(output, tuple) else output
        return raw

    # On a GPU cuDNN would take TF32 for float32.
    float32 = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    with enough_memory(f"the score of a model at {imgsz} px", place), float32:
        model.eval().to(place)
        return score_of(matches(predict, split, imgsz, lock, place))


def matches(
    predict: Callable[[Tensor], Tensor],
    split: Split,
    imgsz: int,
    lock: TrainingLock | None = None,
    device: torch.device = _HOST,
) -> list[Matched]:
    """Match what is detected in every picture of a split with what is there.

    Args:
        predict: As of `detect`.
        split: The pictures.
        imgsz: Side of the square input.
        lock: Passed with every batch.
        device: As of `detect`.

    Returns:
        One a picture, in the split's order.

    Raises:
        ProxyError: The outputs are not finite.
        DataError: The pictures cannot be read.
    """
    return [matched(one) for one in detect(predict, split, imgsz, lock, device)]


@torch.no_grad()
def detect(
    predict: Callable[[Tensor], Tensor],
    split: Split,
    imgsz: int,
    lock: TrainingLock | None = None,
    device: torch.device = _HOST,
) -> list[Detected]:
    """Detect in every picture of a split.

    Args:
        predict: From pictures (B, 3, imgsz, imgsz), float32 in [0, 1], on the device, to raw detections (B, 4 +
            classes, anchors) as `Detect` gives them, or, without NMS, to detections (B, up to 300, 6).
        split: The pictures.
        imgsz: Side of the square input.
        lock: Passed with every batch.
        device: Where `predict` wants the pictures; they travel there as bytes.

    Returns:
        One a picture, in the split's order.

    Raises:
        ProxyError: The outputs are not finite.
        DataError: The pictures cannot be read.
    """
    rows: list[Detected] = []
    for source in batches(split, imgsz, _BATCH):
        with passing(lock, _HOST):
            images = plain_images(source, torch.arange(len(source)), device)
            predicted = predict(images)  # (B, 4 + classes, anchors)
            if not torch.isfinite(predicted).all():
                raise ProxyError("the model's outputs are not finite: it cannot be scored")
            kept = non_max_suppression(
                predicted,
                _CONFIDENCE,
                _NMS_IOU,
                multi_label=True,
                max_det=_MOST_DETECTIONS,
                max_time_img=60.0,  # the default drops detections on a busy machine
            )
            found = [one.cpu() for one in kept]  # the copies wait for the device
        labels = split.labels[len(rows) : len(rows) + len(source)]
        pairs = zip(found, labels, strict=True)
        rows += [_detected(one, source, index, known) for index, (one, known) in enumerate(pairs)]
    return rows


def score_of(pictures: Sequence[Matched]) -> Score:
    """The score of some pictures together, by Ultralytics' average precision.

    Args:
        pictures: At least one with an object in it.
    """
    precision = ap_per_class(  # (classes that occur, 10 thresholds)
        np.concatenate([one.right for one in pictures]),
        np.concatenate([one.confidence for one in pictures]),
        np.concatenate([one.kinds for one in pictures]),
        np.concatenate([one.truth for one in pictures]),
    )[5]
    return Score(map50_95=float(precision.mean()), map50=float(precision[:, 0].mean()))


def check_classes(model: nn.Module, data: DetectionData) -> None:
    """Refuse a model whose head has another number of classes than the data.

    Args:
        model: A detection model.
        data: The data.

    Raises:
        ProxyError: The numbers differ.
    """
    classes = getattr(model.model[-1], "nc", None)  # type: ignore[index]
    if classes != data.nc:
        raise ProxyError(
            f"the model detects {classes} classes, the data {data.name} has {data.nc}; build it with nc={data.nc}"
        )


def matched(one: Detected) -> Matched:
    """A picture's detections, matched by Ultralytics' code.

    Args:
        one: The picture.
    """
    boxes, kinds = torch.from_numpy(one.boxes), torch.from_numpy(one.kinds)
    objects, truth = torch.from_numpy(one.objects), torch.from_numpy(one.truth)
    if len(boxes) and len(objects):
        right = BaseValidator.match_predictions(_THRESHOLDS, kinds, truth, box_iou(objects, boxes)).numpy()
    else:
        right = np.zeros((len(boxes), len(_THRESHOLDS.iouv)), dtype=bool)
    return Matched(right, one.confidence, one.kinds, one.truth)


def _detected(found: Tensor, source: Pixels, index: int, known: Labels) -> Detected:
    """One picture's detections, in the coordinates of the original picture.

    Args:
        found: (detections, 6): two corners in pixels of the letterboxed picture, confidence, class.
        source: The pictures of the batch.
        index: Of the picture in it.
        known: The picture's labels.
    """
    height, width = (float(side) for side in source.shapes[index])
    labels = torch.from_numpy(known)
    across, down, left, top = (float(value) for value in source.placing[index])
    # Back to the original picture. Not clipped to its borders: Ultralytics' validator does not clip either.
    pads, scales = torch.tensor([left, top, left, top]), torch.tensor([across, down, across, down])
    boxes = (found[:, :4] - pads) / scales
    truth = xywh2xyxy(labels[:, 1:]) * torch.tensor([width, height, width, height])
    return Detected(boxes.numpy(), found[:, 4].numpy(), found[:, 5].numpy(), truth.numpy(), labels[:, 0].numpy())
