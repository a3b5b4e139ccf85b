"""Ultralytics' exporter on the equal graph with less to do; part of every bundle, so it needs nothing else of ours."""

from typing import Any

import torch
from ultralytics import YOLO

from nas.model.rewrite.model import rewritten

WITHOUT_TOP_K = ("ncnn", "paddle", "executorch", "rknn", "imx", "edgetpu", "qnn")
"""Formats that cannot carry a head without NMS."""


def export(weights: str, imgsz: int, **arguments: Any) -> str:
    """Export a checkpoint as `YOLO(weights).export(imgsz=imgsz, **arguments)` does, with less for the runtime to do.

    Args:
        weights: A trained checkpoint.
        imgsz: Side of the square input in pixels, a multiple of 32.
        arguments: Of Ultralytics' export: `format` and what it takes, but not `dynamic`; `nms=False` for a head that
            detects without NMS.

    Returns:
        The path of what was written.

    Raises:
        ValueError: The graph is for one input size, or the format cannot carry the head.
    """
    if imgsz % 32 or arguments.get("dynamic"):
        raise ValueError(f"the graph is made for one size, a multiple of 32; got imgsz={imgsz} and {arguments}")
    yolo = YOLO(weights)
    model: Any = yolo.model.float().eval()
    if arguments.get("nms") is False and arguments.get("format") in WITHOUT_TOP_K:
        raise ValueError(f"format={arguments['format']} has no top-k, which a head without NMS needs")
    if hasattr(model, "end2end"):
        model.end2end = arguments.get("nms") is False  # as the exporter will; fusing keeps these branches only
    with torch.no_grad():
        model.fuse(verbose=False)
    channels = next(model.parameters()).shape[1]
    yolo.model = rewritten(model.requires_grad_(False), torch.zeros(1, channels, imgsz, imgsz))
    made: str = yolo.export(imgsz=imgsz, **arguments)
    return made
