"""What the clock covers: compute alone, the copies around it, or everything from a picture to its detections."""

import io
from collections.abc import Callable
from itertools import cycle

import numpy as np

from nas.errors import LatencyError
from nas.latency.runtimes.session import Session, image

# As an application sets them: Ultralytics' defaults for prediction.
_CONFIDENCE = 0.25
_NMS_IOU = 0.7


def scoped(session: Session, imgsz: int, scope: str, pictures: bytes | None = None) -> Callable[[], None]:
    """One run of a session, as much of it as the scope covers.

    Args:
        session: The loaded model.
        imgsz: Square input size in pixels.
        scope: One of `values.SCOPES`.
        pictures: For `+nms`, an .npy file of pictures (N, 3, imgsz, imgsz), detected in one after the other.

    Raises:
        LatencyError: `+nms` without pictures, or where Ultralytics, whose NMS it is, is not installed.
    """
    if scope == "compute":
        return session.run
    if scope == "+copies":
        noise = image(imgsz)

        def copied() -> None:
            session.feed(noise)
            session.run()
            session.outputs()

        return copied
    if pictures is None:
        raise LatencyError("scope +nms needs pictures to detect in")
    return _with_nms(session, imgsz, pictures)


def pictures_in(pictures: bytes) -> int:
    """How many pictures an .npy file holds."""
    return len(np.load(io.BytesIO(pictures), allow_pickle=False))


def _check_detections(shape: tuple[int, ...], imgsz: int) -> None:
    """Refuse outputs that Ultralytics' NMS would take for other boxes and scores than they are.

    Raises:
        LatencyError: The first output has not the layout of Ultralytics' detectors.
    """
    positions = sum((imgsz // stride) ** 2 for stride in (8, 16, 32))
    # YOLOv5's, and others that lay positions before scores, with one or three anchors a position.
    turned = len(shape) == 3 and shape[1] > shape[2] and shape[1] in (positions, 3 * positions)
    if len(shape) != 3 or shape[0] != 1 or min(shape) < 1 or turned or (shape[1] < 5 and shape[2] != 6):
        raise LatencyError(
            f"scope +nms needs a detector that answers as Ultralytics' do, (1, 4 + classes, positions), and the model "
            f"answers with shape {shape}; measure it with --scope compute"
        )


def _with_nms(session: Session, imgsz: int, pictures: bytes) -> Callable[[], None]:
    from nas.util.ultralytics_env import prepare

    prepare()
    try:
        import torch
        import torchvision  # noqa: F401  # with it imported, Ultralytics takes its compiled NMS
        from ultralytics.utils.nms import non_max_suppression
    except ImportError as error:
        raise LatencyError(f"scope +nms runs Ultralytics' NMS, and {error.name} is not installed there") from error
    following = cycle(np.load(io.BytesIO(pictures), allow_pickle=False)[:, None])  # each (1, 3, imgsz, imgsz)

    known: set[tuple[int, ...]] = set()

    def detected() -> None:
        session.feed(next(following))
        session.run()
        output = np.asarray(session.outputs()[0])
        if output.shape not in known:
            _check_detections(output.shape, imgsz)
            known.add(output.shape)
        non_max_suppression(torch.from_numpy(output), _CONFIDENCE, _NMS_IOU)

    return detected
