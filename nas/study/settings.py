"""Everything that changes a number of a search, as one frozen value.

Two searches with equal settings are the same search: the second resumes the first. The budget, the number of workers
and the time limit are not here, because they only say how much of the search is carried out and how.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from nas.util.printable import printable

_LONGEST_NAME = 120
"""Bytes of a data set's name in a search's; a folder's name holds 255 in all."""

SAMPLERS = ("gp", "tpe", "random")


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The settings of a search.

    Attributes:
        space: Name of the search space.
        space_digest: Digest of the space's dimensions and choices.
        imgsz: Input sizes searched, in pixels.
        data: Name of the data set.
        data_digest: Digest of the data set's class names, pixels and labels.
        classes: Number of classes.
        fraction: Share of the training pictures that proxies use.
        target_ms: Latency limit in milliseconds.
        max_params: Limit on parameters of the fused model, or None.
        max_gflops: Limit on GFLOPs of the fused model, or None.
        max_bytes: Limit on the size of the float32 ONNX file, or None.
        place: Where the device is: `local`, or an ssh:// address.
        device: Where latency is measured there: `cpu` or `cuda:N`.
        runtime: What latency is measured with.
        precision: Precision of the measured model.
        threads: Threads of the measured runtime.
        scope: What the latency's clock covers.
        statistic: What is said of the times: `quiet`, `p50` or `p95`.
        sustained_s: Length of a percentile's measurement, or None.
        train_device: Where proxies train.
        steps: Optimiser steps of a proxy.
        batch: Pictures a step.
        sampler: `gp`, `tpe` or `random`.
        seed: Seed of the sampler and of every proxy.
        class_loss: Class loss of the proxies.
        box_loss: Their box loss.
        seed_literals: Whether the shipped literals of the space were tried first.
        source: File name and digest of the checkpoint whose channels proxies begin with, None from scratch.
        source_steps: Steps for which it is tuned on the data first.
        teacher: File name and digest of the checkpoint that teaches the proxies, None without.
        last_rung: Steps of the last rung, None where there is none.
    """

    space: str
    space_digest: str
    imgsz: tuple[int, ...]
    data: str
    data_digest: str
    classes: int
    fraction: float
    target_ms: float
    max_params: int | None
    max_gflops: float | None
    max_bytes: int | None
    place: str
    device: str
    runtime: str
    precision: str
    threads: int
    scope: str
    statistic: str
    sustained_s: float | None
    train_device: str
    steps: int
    batch: int
    sampler: str
    seed: int
    class_loss: str = "bce"
    box_loss: str = "ciou"
    seed_literals: bool = False
    source: str | None = None
    source_steps: int | None = None
    teacher: str | None = None
    last_rung: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "imgsz": list(self.imgsz)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**{**data, "imgsz": tuple(data["imgsz"])})

    @property
    def digest(self) -> str:
        """The first 8 hexadecimal digits of the SHA-256 of all settings."""
        defaults = {field.name: field.default for field in fields(self)}
        # What was added later counts where it is used only: earlier searches keep their names.
        said = {name: value for name, value in self.to_dict().items() if value != defaults[name]}
        text = json.dumps(said, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def beginning(self) -> str:
        """What a proxy begins with and learns from, for a sentence."""
        begins = "from scratch" if self.source is None else f"from the channels of {self.source}"
        return begins if self.teacher is None else f"{begins}, taught by {self.teacher}"

    @property
    def default_name(self) -> str:
        """A readable name that differs whenever a setting differs."""
        data = printable(self.data).encode()[:_LONGEST_NAME].decode(errors="ignore")
        return f"{self.space}-{data}-{self.target_ms:g}ms-{self.digest}"

    def differences(self, other: Self) -> list[str]:
        """One line a setting in which two searches differ: `target_ms: 2.5 there, 3.0 asked`."""
        here, there = other.to_dict(), self.to_dict()
        names = [field.name for field in fields(self)]
        return [f"{name}: {there[name]} there, {here[name]} asked" for name in names if there[name] != here[name]]
