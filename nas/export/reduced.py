"""A trained checkpoint as ONNX in float16 or INT8: the graph that a search times in that precision."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.errors import UsageError
from nas.latency import LatencySettings, prepare

if TYPE_CHECKING:
    from nas.data import DetectionData, Split
    from nas.model import Checkpoint

PRECISIONS = ("float32", "float16", "int8")

MOST_SCORED = 500
"""Val pictures on which an INT8 file is scored beside torch."""

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From pictures (1, 3, imgsz, imgsz), float32 in [0, 1], to raw detections (1, 4 + classes, anchors), or, of a head
without NMS, to detections (1, up to 300, 6)."""


def check_precision(precision: str, format_name: str) -> None:
    """Refuse a precision that the format is not written in.

    Args:
        precision: What the user asked for.
        format_name: Name of the format.

    Raises:
        UsageError: It is unknown, or it is not float32 and the format is not ONNX.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"--precision must be one of {', '.join(PRECISIONS)}; got {precision!r}")
    if precision != "float32" and format_name != "onnx":
        raise UsageError(
            f"--precision {precision} goes with --format onnx, got {format_name}: ghostnas writes the other formats in "
            "float32; TensorRT builds its engine from the ONNX file (trtexec --stronglyTyped --onnx=FILE)"
        )


def reduced_onnx(checkpoint: "Checkpoint", precision: str, imgsz: int, data: "DetectionData", folder: Path) -> Path:
    """Write the ONNX file in a precision.

    Args:
        checkpoint: The trained detector.
        precision: `float16` or `int8`.
        imgsz: Side of the square input in pixels.
        data: Its training pictures give INT8 its scales.
        folder: Where the file is written, named after the checkpoint.

    Raises:
        UsageError: INT8 cannot take its scales from these data: their number of classes is another.
        ModelError: The model cannot be converted.
        DataError: The pictures cannot be read.
    """
    pictures = None
    if precision == "int8":
        from nas.data import QUANTISED_WITH, pixels

        if len(data.names) != len(checkpoint.model.names):
            raise UsageError(
                f"--precision int8 takes its scales from training pictures and {checkpoint.path.name} has "
                f"{len(checkpoint.model.names)} classes, {data.name} {len(data.names)}; give its data set with --data"
            )
        pictures = pixels(data.train.part(0, QUANTISED_WITH), imgsz).images.numpy().astype(np.float32) / np.float32(255)
    # Where ONNX Runtime offers them; the graph is the same for any device.
    device = "cuda:0" if precision == "float16" else "cpu"
    settings = LatencySettings(runtime="onnxruntime", precision=precision, device=device)
    path = folder / f"{checkpoint.path.stem}.onnx"
    path.write_bytes(prepare(checkpoint.model, imgsz, settings, pictures).data)
    return path


def val_map(run: Run, split: "Split", imgsz: int) -> float:
    """The mAP50-95 of a detector on the first `MOST_SCORED` pictures of a split.

    Args:
        run: The detector.
        split: The pictures.
        imgsz: Side of the square input in pixels.

    Raises:
        ProxyError: Its outputs are not finite.
        DataError: The pictures cannot be read.
    """
    import torch

    from nas.proxy import matches, score_of

    def predict(images: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.concatenate([run(one[None]) for one in images.numpy()]))

    return score_of(matches(predict, split.part(0, MOST_SCORED), imgsz)).map50_95
