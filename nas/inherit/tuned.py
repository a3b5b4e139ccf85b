"""A source tuned on the user's data: once a checkpoint and a data set, shared by all designs that inherit from it.

Tuning first is worth more than everything else together: channels are judged on the user's task, and the classes are
known (docs/explanation/inherit.md).
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from nas.architecture import to_yaml
from nas.data import DetectionData
from nas.errors import ModelError, StorageError
from nas.inherit.child import describe_file
from nas.inherit.from_checkpoint import load_source
from nas.inherit.on_data import calibrate, sample_of, take_classes
from nas.inherit.roles import describe
from nas.inherit.taylor import CPU, taylor
from nas.inherit.values import FreshSource, SourceChoice, Tuned
from nas.model import Losses, build, know_bundled_blocks, load_file, register
from nas.proxy import (
    FINE_TUNING,
    ProxySettings,
    Score,
    StateFile,
    TrainingLock,
    find_device,
    find_precision,
    passing,
    train_proxy,
    validate,
)
from nas.space import yolo11
from nas.util.atomic_files import torch_bytes, write_whole
from nas.util.locks import wait_for_lock
from nas.util.paths import cache_subdir
from nas.util.provenance import file_digest, versions
from nas.util.torch_threads import threads

MOST_THREADS = 8
"""Threads that train a source, one a core; more are no use to small pictures."""

OnStep = Callable[[int, int], None]
"""Called with the steps that are done, and with all."""


def tune(
    source: SourceChoice,
    data: DetectionData,
    imgsz: int,
    settings: ProxySettings,
    lock: TrainingLock | None = None,
    on_step: OnStep = lambda done, of: None,
) -> Tuned:
    """Tune a source on a data set, or take what an earlier call left in the cache folder.

    A tuning that was broken off goes on where it stood.

    Args:
        source: Any Ultralytics checkpoint of a detector, or a YOLO11 with fresh weights.
        data: The data set.
        imgsz: Input size in pixels: the largest of the designs that are to inherit.
        settings: How it is trained.
        lock: Passed with every batch.
        on_step: Called after each step.

    Raises:
        ModelError: The checkpoint cannot be used.
        DataError: The pictures cannot be read.
        ProxyError: The training diverged, or memory ran out.
        StorageError: The cache folder cannot be written.
    """
    steps = 0 if isinstance(source, Path) and trained_on(source, data) else settings.steps
    path = cache_subdir("sources") / f"{identity(source, data, imgsz, settings, steps)}.pt"
    with wait_for_lock(path.with_suffix(".lock")):  # another search may tune it now
        if not path.is_file():
            kept = StateFile(path.with_suffix(".state"))
            made = _tuned(source, data, imgsz, settings, steps, kept, lock, on_step)
            write_whole(path, torch_bytes(made))
            kept.drop()
        content = read_tuned(path)
    named = str(source.absolute() if isinstance(source, Path) else source)
    return Tuned(path, named, steps, Score(**content["score"]), imgsz, content["digest"])


def how_to_tune(steps: int, device: str = "cpu", batch: int = 16, losses: Losses | None = None) -> ProxySettings:
    """How a source is tuned: always with the same seed, so that all searches on the same data share it.

    Args:
        steps: Optimiser steps.
        device: `cpu`, `cuda` or `cuda:N`.
        batch: Pictures a step.
        losses: What is penalised; None for Ultralytics' losses.
    """
    return replace(FINE_TUNING, steps=steps, device=device, batch=batch, losses=losses or Losses())


def trained_on(checkpoint: Path, data: DetectionData) -> bool:
    """Whether `ghostnas train` trained a checkpoint on exactly these data: on a folder whose name is their digest.

    Of other trainings it cannot be known: a data YAML may name other pictures today.

    Args:
        checkpoint: An Ultralytics checkpoint of a detector.
        data: The data set.

    Raises:
        ModelError: It cannot be loaded, or holds no detector.
    """
    source = load_source(checkpoint)
    given = (getattr(source, "args", None) or {}).get("data")
    return tuple(source.names.values()) == data.names and data.digest in Path(str(given)).parts


def identity(source: SourceChoice, data: DetectionData, imgsz: int, settings: ProxySettings, steps: int) -> str:
    known = file_digest(source) if isinstance(source, Path) else source.name
    precision = find_precision(settings.precision, find_device(settings.device))
    asked = [known, data.digest, data.fraction, imgsz, steps, settings.to_dict(), precision, *_made_with()]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def _made_with() -> list[str]:
    """Versions of what computes."""
    known = versions()
    return [known[name] for name in ("ghostnas", "torch", "ultralytics")]


def _tuned(
    source: SourceChoice,
    data: DetectionData,
    imgsz: int,
    settings: ProxySettings,
    steps: int,
    kept: StateFile,
    lock: TrainingLock | None,
    on_step: OnStep,
) -> dict[str, Any]:
    with threads(1), passing(lock, CPU):
        model = _begun(source, data, imgsz)
        pictures = sample_of(data, imgsz)
        if not steps:
            calibrate(model, pictures)
    if steps:
        model.requires_grad_(True)
        # Nothing else trains before there is a source.
        alone = replace(settings, threads=min(os.cpu_count() or 1, MOST_THREADS))
        result, model = train_proxy(
            model, data, imgsz, alone, lock, observe=lambda done, _: on_step(done, steps), kept=kept
        )
        score = result.score
    else:
        score = validate(model, data.select, data, imgsz, device=settings.device, lock=lock)
    with threads(1), passing(lock, CPU):
        model = model.cpu().float().eval()
        scores = taylor(describe(model), model, pictures).scores
    model.args = {}
    return {"model": _bare(model), "scores": scores, "score": asdict(score), "digest": _digest(model, scores)}


def _begun(source: SourceChoice, data: DetectionData, imgsz: int) -> Any:
    """A source before its training, with the classes of the data."""
    if isinstance(source, FreshSource):
        model = build(to_yaml(yolo11(source.scale, imgsz), data.nc), seed=0)
        model.names = dict(enumerate(data.names))
        return model
    model = load_source(source)
    describe_file(model, str(source))
    take_classes(model, data.names)
    return model


def _digest(model: Any, scores: dict[str, Tensor]) -> str:
    """What tells a source from any other: its weights, and the importance of its channels."""
    found = hashlib.sha256()
    for name, value in [*model.state_dict().items(), *sorted(scores.items())]:
        found.update(name.encode() + value.detach().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def _bare(model: Any) -> Any:
    """Without what a training leaves at a model and no file can hold."""
    model.criterion = None
    return model.requires_grad_(False)


def read_tuned(path: Path) -> dict[str, Any]:
    """What a file of `tune` holds: `model`, `scores` of its channels, `score` on the selection part.

    Raises:
        StorageError: The file is gone, or cannot be read.
    """
    register()
    know_bundled_blocks()
    try:
        return load_file(path)
    except ModelError as error:
        raise StorageError(
            f"the tuned source {path} cannot be read ({error}); delete it, and the same command tunes the source again"
        ) from error
