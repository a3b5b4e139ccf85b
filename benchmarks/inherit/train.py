"""One training of the experiments: how a design begins, its scores before and after, and what each cost."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from benchmarks.inherit.arms import Arm, Design
from benchmarks.inherit.sources import Sources, settings
from nas.architecture import from_key, to_yaml
from nas.data import DetectionData
from nas.inherit.child import inherit
from nas.inherit.on_data import calibrate, repair_images
from nas.inherit.repair import refit
from nas.inherit.repair_boxes import refit_boxes
from nas.model import build
from nas.proxy import train_proxy, validate
from nas.util.machine_lock import MachineLock
from nas.util.provenance import host_machine, versions

HEADER = (
    *("data", "digest", "design", "family", "held_out", "key", "arm", "seed", "steps", "imgsz", "inherited"),
    *("start_val", "start_select", "val", "val50", "select", "train_loss", "start_s", "start_cpu_s", "select_s"),
    *("train_s", "train_cpu_s", "precision", "host", "versions"),
)


@contextmanager
def clocked(into: dict[str, Any], name: str) -> Iterator[None]:
    """Wall seconds and seconds of processor time of what is done inside."""
    wall, cpu = time.monotonic(), time.process_time()
    yield
    into[f"{name}_s"] = f"{time.monotonic() - wall:.2f}"
    into[f"{name}_cpu_s"] = f"{time.process_time() - cpu:.2f}"


def begun(model: Any, arm: Arm, sources: Sources, imgsz: int, seed: int) -> float:
    """Let a design begin as an arm says; the share of its parameters that come from the source."""
    source = sources.prepared(arm.source, imgsz)
    done = inherit(source.table, model, source.importance(arm.importance, seed), source.classes)
    if arm.stages:
        from nas.inherit.stages import teach

        teach(done.stages, source.model, source.pictures, arm.stages)
    if arm.refit:
        layers = done.beside_stages() if arm.stages else done.counterparts
        refit(layers, source.model, model, repair_images(source.pictures))
    calibrate(model, source.pictures)
    if arm.boxes:
        refit_boxes(done.boxes, source.model, model, repair_images(source.pictures))
    return sum(entry.taken for entry in done.entries) / sum(entry.params for entry in done.entries)


def started(design: Design, arm: Arm, seed: int, data: DetectionData, sources: Sources) -> tuple[Any, dict[str, Any]]:
    """A design as its training begins, with what that cost and its scores."""
    imgsz, row = from_key(design.key).imgsz, dict[str, Any](inherited="0")
    model = build(to_yaml(from_key(design.key), data.nc), seed=seed)
    if arm.source != "none":
        sources.prepared(arm.source, imgsz)  # all designs share it: no part of this one's seconds
        with clocked(row, "start"):
            row["inherited"] = f"{begun(model, arm, sources, imgsz, seed):.4f}"
        with clocked(row, "select"):
            row["start_select"] = f"{validate(model, data.select, data, imgsz).map50_95:.4f}"
        row["start_val"] = f"{validate(model, data.val, data, imgsz).map50_95:.4f}"
        del row["select_cpu_s"]
    return model, row


def trained(
    design: Design, arm: Arm, seed: int, lengths: Sequence[int], data: DetectionData, sources: Sources
) -> Iterator[dict[str, Any]]:
    """The rows of trainings of several lengths from the same beginning."""
    model, begin = started(design, arm, seed, data, sources)
    imgsz = from_key(design.key).imgsz
    for steps in lengths:
        row = dict(begin)
        teacher = sources.file("tuned") if arm.teacher else None
        asked = settings(steps, seed, teacher, fresh=arm.source == "none")
        with clocked(row, "train"):
            result, final = train_proxy(deepcopy(model), data, imgsz, asked, MachineLock())
        score = validate(final, data.val, data, imgsz)
        yield row | {
            "data": data.name,
            "digest": data.digest,
            "design": design.label,
            "family": design.family,
            "held_out": int(design.held_out),
            "key": design.key,
            "arm": arm.name,
            "seed": seed,
            "steps": steps,
            "imgsz": imgsz,
            "val": f"{score.map50_95:.4f}",
            "val50": f"{score.map50:.4f}",
            "select": f"{result.score.map50_95:.4f}",
            "train_loss": f"{result.train_loss:.4f}",
            "precision": result.precision,
            "host": host_machine()["processor"],
            "versions": " ".join(f"{name}={versions()[name]}" for name in ("ghostnas", "torch", "ultralytics")),
        }
