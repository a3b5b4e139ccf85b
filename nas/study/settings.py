"""Everything that changes a number of a search, as one frozen value.

Two searches with equal settings are the same search: the second resumes the first. The budget, the number of workers
and the time limit are not here, because they only say how much of the search is carried out and how.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any, Self, get_type_hints

from pydantic import TypeAdapter, ValidationError

from nas.latency import LatencySettings
from nas.study.limits import Limits
from nas.util.printable import printable

_LONGEST_NAME = 120
"""Bytes of a data set's name in a search's; a folder's name holds 255 in all."""


@dataclass(frozen=True, slots=True)
class SpaceChoice:
    """The search space.

    Attributes:
        space: Its name.
        space_digest: Digest of its dimensions and choices.
        imgsz: Input sizes searched, in pixels.
        chosen: The measurements by which space and sizes were chosen; None where they were asked for. What is asked
            then is `AUTO`, and a study holds what is asked.
    """

    space: str
    space_digest: str
    imgsz: tuple[int, ...]
    chosen: str | None = None


AUTO = SpaceChoice("auto", "", ())
"""The space that fits the device and the target; with input sizes where they were asked for."""


@dataclass(frozen=True, slots=True)
class DataChoice:
    """The data set.

    Attributes:
        data: Its name.
        data_digest: Digest of its class names, pixels and labels.
        classes: Number of classes.
        fraction: Share of the training pictures that proxies use.
    """

    data: str
    data_digest: str
    classes: int
    fraction: float = 1.0


@dataclass(frozen=True, slots=True)
class ProxyChoice:
    """How proxies train, as far as a user chooses it.

    Attributes:
        train_device: Where.
        steps: Optimiser steps of a proxy.
        rungs: Steps of the longer trainings that the best are promoted to, the shortest first.
        batch: Pictures a step.
        seed: Seed of every proxy, and of the sampler.
        class_loss: Class loss.
        box_loss: Box loss.
        teacher: File name and digest of the checkpoint that teaches them, None without.
    """

    train_device: str
    steps: int
    batch: int
    seed: int
    class_loss: str = "bce"
    box_loss: str = "ciou"
    teacher: str | None = None
    rungs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class StartChoice:
    """What candidates begin with.

    Attributes:
        source: What has the channels that proxies begin with: file name and digest of a checkpoint, or `YOLO11n from
            scratch`; None where proxies begin with fresh weights.
        source_steps: Steps for which it is trained on the data first.
        seed_literals: Whether the shipped literals of the space were tried first.
    """

    source: str | None = None
    source_steps: int | None = None
    seed_literals: bool = False


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The settings of a search, in groups; stored flat, under the names of the groups' fields, which are all different.

    Attributes:
        space: The search space.
        data: The data set.
        limits: What a candidate must meet.
        latency: Where and how latency is measured.
        proxy: How proxies train.
        sampler: `gp`, `tpe` or `random`.
        start: What candidates begin with.
    """

    space: SpaceChoice
    data: DataChoice
    limits: Limits
    latency: LatencySettings
    proxy: ProxyChoice
    sampler: str
    start: StartChoice = StartChoice()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, flat."""
        groups = (self.space, self.data, self.limits, self.latency, self.proxy, self.start)
        values = {name: value for group in groups for name, value in asdict(group).items()}
        lists = {"imgsz": list(self.space.imgsz), "rungs": list(self.proxy.rungs)}
        return {**values, **lists, "sampler": self.sampler}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            KeyError: A setting is missing.
            ValueError: One is not known, or its value is of another type.
        """
        values = {**data, **{name: _as_tuple(data, name) for name in ("imgsz", "rungs")}}
        groups = (SpaceChoice, DataChoice, Limits, LatencySettings, ProxyChoice, StartChoice)
        known = {field.name for group in groups for field in fields(group)} | {"sampler"}
        if unknown := values.keys() - known:
            raise ValueError(f"it has settings that are not known: {', '.join(sorted(unknown))}")
        for group in groups:
            _check_types(group, values)
        _check_type("sampler", str, values["sampler"])
        space, of, limits, latency, proxy, start = (
            group(**{field.name: values[field.name] for field in fields(group)}) for group in groups
        )
        return cls(space, of, limits, latency, proxy, values["sampler"], start)  # type: ignore[arg-type]

    @property
    def digest(self) -> str:
        """The first 8 hexadecimal digits of the SHA-256 of all settings."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def beginning(self) -> str:
        """What a proxy begins with and learns from, for a sentence."""
        begins = "from scratch" if self.start.source is None else f"from the channels of {self.start.source}"
        return begins if self.proxy.teacher is None else f"{begins}, taught by {self.proxy.teacher}"

    @property
    def default_name(self) -> str:
        """A readable name that differs whenever a setting differs."""
        data = printable(self.data.data).encode()[:_LONGEST_NAME].decode(errors="ignore")
        return f"{self.space.space}-{data}-{self.limits.target_ms:g}ms-{self.digest}"

    def differences(self, other: Self) -> list[str]:
        """One line a setting in which two searches differ: `target_ms: 2.5 there, 3.0 asked`."""
        here, there = other.to_dict(), self.to_dict()
        return [f"{name}: {there[name]} there, {here[name]} asked" for name in there if there[name] != here[name]]


def _as_tuple(data: Mapping[str, Any], name: str) -> Any:
    """A list of JSON as the tuple that it was; anything else as it is, for the check of its type."""
    value = data["imgsz"] if name == "imgsz" else data.get(name, [])
    return tuple(value) if isinstance(value, list) else value


def _check_types(group: type, values: Mapping[str, Any]) -> None:
    for name, kind in get_type_hints(group).items():
        _check_type(name, kind, values[name])


def _check_type(name: str, kind: Any, value: Any) -> None:
    """Raises ValueError where a value is not of its type."""
    try:
        _checker(kind).validate_python(value, strict=True)
    except ValidationError as error:
        raise ValueError(f"the setting `{name}` cannot be {value!r:.60}: {error.errors()[0]['msg']}") from error


@cache
def _checker(kind: Any) -> "TypeAdapter[Any]":
    return TypeAdapter(kind)
