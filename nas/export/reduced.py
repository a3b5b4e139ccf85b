"""A trained checkpoint as ONNX in float16 or INT8: the graph that a search times in that precision."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.errors import ModelError, UsageError
from nas.latency import LatencySettings, prepare

if TYPE_CHECKING:
    from nas.data import DetectionData, Split
    from nas.model import Checkpoint

PRECISIONS = ("float32", "float16", "int8")

MOST_SCORED = 500
"""Val pictures on which a file is scored, and torch."""

FLOAT16_MAY_LOSE = 0.01
"""mAP50-95 that a float16 file may have less than torch. INT8 has no limit: what it costs is for the user to judge."""

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
        data: The data set that the file is judged on. Its training pictures give INT8 its scales.
        folder: Where the file is written, named after the checkpoint.

    Raises:
        UsageError: The data have another number of classes than the model.
        ModelError: The model cannot be converted.
        DataError: The pictures cannot be read.
    """
    if len(data.names) != len(checkpoint.model.names):
        raise UsageError(
            f"--precision {precision} is judged by its mAP and {checkpoint.path.name} has "
            f"{len(checkpoint.model.names)} classes, {data.name} {len(data.names)}; give its data set with --data"
        )
    pictures = None
    if precision == "int8":
        from nas.data import QUANTISED_WITH, pixels

        pictures = pixels(data.train.part(0, QUANTISED_WITH), imgsz).images.numpy().astype(np.float32) / np.float32(255)
    # Where ONNX Runtime offers them; the graph is the same for any device.
    device = "cuda:0" if precision == "float16" else "cpu"
    settings = LatencySettings(runtime="onnxruntime", precision=precision, device=device)
    path = folder / f"{checkpoint.path.stem}.onnx"
    path.write_bytes(prepare(checkpoint.model, imgsz, settings, pictures).data)
    return path


def reduced_maps(run: Run, answer: Run, precision: str, data: "DetectionData", imgsz: int) -> tuple[float, float]:
    """The mAP50-95 of a file and of torch on the first `MOST_SCORED` val pictures.

    Raw outputs do not judge such a file: rounding in float16 moves some by a tenth, which no metric notices.

    Args:
        run: The file.
        answer: Torch, in float32.
        precision: The file's precision.
        data: The data set.
        imgsz: Side of the square input in pixels.

    Raises:
        ModelError: The file is of float16 and has more than `FLOAT16_MAY_LOSE` less than torch.
        ProxyError: Outputs are not finite.
        DataError: The pictures cannot be read.
    """
    of_file, of_torch = (_map(one, data.val, imgsz) for one in (run, answer))
    if precision == "float16" and of_torch - of_file > FLOAT16_MAY_LOSE:
        raise ModelError(
            f"the float16 file has mAP50-95 {of_file:.3f} on val of {data.name}, torch {of_torch:.3f} (allowed: "
            f"{FLOAT16_MAY_LOSE:g} less), so it was not kept: a layer may overflow float16; export float32"
        )
    return of_file, of_torch


def _map(run: Run, split: "Split", imgsz: int) -> float:
    import torch

    from nas.proxy import matches, score_of

    def predict(images: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.concatenate([run(one[None]) for one in images.numpy()]))

    return score_of(matches(predict, split.part(0, MOST_SCORED), imgsz)).map50_95
