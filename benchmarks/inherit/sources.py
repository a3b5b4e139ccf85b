"""The detectors that designs inherit from: made once for a checkpoint and a data set, and kept."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nas.architecture import to_yaml
from nas.data import DetectionData, Pixels
from nas.inherit import describe, load_source, write_checkpoint
from nas.inherit.channel_spaces import Table
from nas.inherit.class_rows import class_rows
from nas.inherit.importance import norms
from nas.inherit.new_classes import trained_classes
from nas.inherit.on_data import calibrate, sample_of, take_classes
from nas.inherit.taylor import taylor
from nas.model import build
from nas.proxy import ProxySettings, train_proxy
from nas.space import yolo11
from nas.util.machine_lock import MachineLock

TUNED_AT, TUNED_FOR, SELF_FOR = 160, 600, 1200


def settings(steps: int, seed: int, teacher: Path | None = None, *, fresh: bool = False) -> ProxySettings:
    """How everything here trains: as ghostbench's long trainings, a design of fresh weights as at a search's rungs.

    Args:
        steps: Optimiser steps.
        seed: Seed of the training.
        teacher: Checkpoint that teaches.
        fresh: Whether a design begins with fresh weights.
    """
    if fresh:
        return ProxySettings(seed=seed).longer(steps)
    return ProxySettings(
        steps=steps,
        seed=seed,
        lr=0.006,
        horizon=1,
        warmup=0.1,
        first_boxes=None,
        lr_inputs=None,
        teacher=None if teacher is None else str(teacher),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A source with its statistics at one input size.

    Attributes:
        model: With the data's classes.
        table: Its layers.
        pictures: Training pictures at that size.
        scores: Taylor importance.
        classes: For each class of the data the source's row, None for a fresh one.
    """

    model: Any
    table: Table
    pictures: Pixels
    scores: Mapping[str, Tensor]
    classes: tuple[int | None, ...]

    def importance(self, rule: str, seed: int) -> Mapping[str, Tensor]:
        """Scores by one of the rules."""
        if rule == "taylor":
            return self.scores
        by_norm = norms(self.table)
        if rule == "norm":
            return by_norm
        random = torch.Generator().manual_seed(100 + seed)
        return {role: torch.rand(one.shape, generator=random) for role, one in by_norm.items()}


class Sources:
    """What designs inherit from, by the names that arms use."""

    def __init__(self, checkpoint: Path, data: DetectionData, cache: Path) -> None:
        """Begin.

        Args:
            checkpoint: Of a trained detector.
            data: What is trained on.
            cache: Where tuned sources are kept.
        """
        self._checkpoint, self._data, self._cache = checkpoint, data, cache
        self._ready: dict[tuple[str, int], Prepared] = {}

    def file(self, kind: str) -> Path:
        """The checkpoint of a source; made where it is not there yet."""
        if kind == "given":
            return self._checkpoint
        steps = TUNED_FOR if kind == "tuned" else SELF_FOR
        digest = hashlib.sha256(self._checkpoint.read_bytes()).hexdigest() if kind == "tuned" else "fresh"
        asked = [kind, digest, self._data.digest, TUNED_AT, settings(steps, 0).to_dict()]
        name = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
        path = self._cache / f"{self._data.name}-{kind}-{name}.pt"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            model = self._fresh() if kind == "self" else self._with_classes(self._checkpoint)
            _, final = train_proxy(model, self._data, TUNED_AT, settings(steps, 0), MachineLock())
            setattr(final, "names", dict(enumerate(self._data.names)))  # noqa: B010
            write_checkpoint(final, path, TUNED_AT, kind)
        return path

    def prepared(self, kind: str, imgsz: int) -> Prepared:
        """A source at an input size; made once in a process."""
        if (kind, imgsz) not in self._ready:
            self._ready[kind, imgsz] = self._prepare(kind, imgsz)
        return self._ready[kind, imgsz]

    def _prepare(self, kind: str, imgsz: int) -> Prepared:
        source = load_source(self.file(kind))
        rows = class_rows(self._data.names, tuple(source.names.values()))
        take_classes(source, self._data.names)
        pictures = sample_of(self._data, imgsz)
        calibrate(source, pictures)
        table = describe(source)
        with trained_classes(source, pictures) if None in rows else nullcontext():
            scores = taylor(table, source, pictures).scores
        classes = tuple(None if row is None else number for number, row in enumerate(rows))
        return Prepared(source, table, pictures, scores, classes)

    def _with_classes(self, checkpoint: Path) -> Any:
        model = load_source(checkpoint)
        take_classes(model, self._data.names)
        return model.requires_grad_(True)

    def _fresh(self) -> Any:
        return build(to_yaml(yolo11("n", TUNED_AT), self._data.nc), seed=0)
