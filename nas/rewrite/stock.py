"""Ultralytics' exporter on the equal graph with less to do; part of every bundle, so it needs nothing else of ours."""

import copy
from typing import Any

import torch
from ultralytics import YOLO

from nas.rewrite.model import rewritten


def export(weights: str, imgsz: int, **arguments: Any) -> str:
    """Export a checkpoint as `YOLO(weights).export(imgsz=imgsz, **arguments)` does, with less for the runtime to do.

    Args:
        weights: A trained checkpoint.
        imgsz: Side of the square input in pixels.
        arguments: Of Ultralytics' export: `format`, `half`, ...; `nms=False` for a head that detects without NMS.

    Returns:
        The path of what was written.
    """
    yolo = YOLO(weights)
    model = copy.deepcopy(yolo.model).float().eval()
    if hasattr(model, "end2end"):
        model.end2end = arguments.get("nms") is False  # as the exporter will; fusing keeps these branches only
    with torch.no_grad():
        model.fuse(verbose=False)
    channels = next(model.parameters()).shape[1]
    yolo.model = rewritten(model.requires_grad_(False), torch.zeros(1, channels, imgsz, imgsz))
    made: str = yolo.export(imgsz=imgsz, **arguments)
    return made
