"""Several boards of one kind as one device: a screening takes one that is free, the slowest decides on a finalist.

Boards of one make differ by some percent (HDAP, https://arxiv.org/abs/2501.15240), and a product runs on all of them.
"""

import hashlib
import itertools
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nas.errors import DeviceLost, UsageError
from nas.latency.artifacts.model_bytes import SizedModel
from nas.latency.measure import Comparison, Device, LatencyDevice
from nas.latency.types import Latency, LatencySettings, Level
from nas.util.locks import try_lock
from nas.util.paths import lock_dir

BOARDS, SPREAD = "boards", "spread"
"""Conditions of a finalist's latency: how many boards it was measured on, and the slowest one's over the fastest's."""

_LOOK_AGAIN_S = 0.2


@dataclass(frozen=True)
class DevicePool:
    """Boards of one kind. A board that is lost is left out by this process until all are lost.

    Attributes:
        devices: One a board, at least two.
    """

    devices: tuple[LatencyDevice, ...]
    _lost: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[LatencyDevice, ...]]]:
        """A copy that has lost none."""
        return type(self), (self.devices,)

    @property
    def settings(self) -> LatencySettings:
        """How latency is measured, with all places."""
        places = " ".join(device.settings.place for device in self.devices)
        return replace(self.devices[0].settings, place=places)

    @property
    def calibration_kept(self) -> dict[str, Any] | None:
        """Every board's calibration by its address, as plain values; None while one is not known."""
        kept = {_label(device.settings.place): device.calibration_kept for device in self.devices}
        return None if None in kept.values() else kept

    def with_calibration(self, kept: dict[str, Any]) -> Self:
        """The same boards with what `calibration_kept` gave."""
        by_label = {_label(place): one for place, one in kept.items()}
        return type(self)(tuple(one.with_calibration(by_label[_label(one.settings.place)]) for one in self.devices))

    def key(self, digest: str = "", imgsz: int = 0) -> dict[str, Any]:
        """The first board's key; all are asked.

        Raises:
            LatencyError: A board cannot be reached.
        """
        first, *_ = [device.key(digest, imgsz) for device in self.devices]
        return first

    def kind(self) -> dict[str, str]:
        """What the boards have in common.

        Raises:
            LatencyError: One cannot be reached.
            UsageError: They are not of one kind.
        """
        first, *others = ((device.settings.where, device.kind()) for device in self.devices)
        for where, kind in others:
            if kind != first[1]:
                raise UsageError(
                    f"the devices of a pool must be of one kind: {first[0]} is {_in_words(first[1])}, {where} is "
                    f"{_in_words(kind)}; search on each kind by itself"
                )
        return first[1]

    def run_once(self, model: SizedModel) -> str:
        """Run a model once on every board (`LatencyDevice.run_once`)."""
        first, *_ = [device.run_once(model) for device in self.devices]
        return first

    def calibrated(self, *, fresh: bool = False) -> Self:
        """The same boards, each with its calibration (`LatencyDevice.calibrated`)."""
        return type(self)(tuple(device.calibrated(fresh=fresh) for device in self.devices))

    def screen(self, model: SizedModel, target_ms: float | None) -> Latency:
        """Measure one model on a board that no other process measures on (`LatencyDevice.screen`).

        Raises:
            DeviceLost: Every board is lost.
            LatencyError: The model does not run, or the board is too disturbed.
        """
        while True:
            with self._free_board() as device:
                try:
                    return device.screen(model, target_ms)
                except DeviceLost:
                    self._lost.add(device.settings.place)
                    if len(self._lost) == len(self.devices):
                        self._lost.clear()  # whoever tries again later tries all of them
                        raise

    def compare(
        self,
        models: Sequence[SizedModel],
        *,
        level: Level = "finalist",
        pictures: Sequence[NDArray[np.float32]] = (),
    ) -> Comparison:
        """Measure models together on every board at the same time; of each model the slowest board's latency counts.

        Its `conditions` say on how many boards it was measured, and how far they are apart. The ratios are those of the
        board that is the slowest for the first model.

        Raises:
            DeviceLost: Every board is lost.
            LatencyError: A model does not run, or a board is too disturbed.
        """

        def measured(device: LatencyDevice) -> Comparison | DeviceLost:
            try:
                return device.compare(models, level=level, pictures=pictures)
            except DeviceLost as error:
                return error

        with ThreadPoolExecutor(len(self.devices)) as boards:
            answers = list(boards.map(measured, self.devices))
        found = [one for one in answers if isinstance(one, Comparison)]
        if not found:
            raise next(one for one in answers if isinstance(one, DeviceLost))
        slowest = max(found, key=lambda one: one.latencies[0].latency_ms)
        by_model = zip(*(one.latencies for one in found), strict=True)
        return Comparison(tuple(_slowest(latencies) for latencies in by_model), slowest.ratios)

    def close(self) -> None:
        """End the agents that are kept open."""
        for device in self.devices:
            device.close()

    @contextmanager
    def _free_board(self) -> Iterator[LatencyDevice]:
        """A board that is not lost, while no other process of this user's takes it."""
        here = os.getpid() % len(self.devices)  # processes begin to look at different boards
        in_turn = self.devices[here:] + self.devices[:here]
        for device in itertools.cycle(one for one in in_turn if one.settings.place not in self._lost):
            lock = try_lock(lock_dir() / f"board-{_name(device.settings.place)}.lock")
            if lock is not None:
                with lock:
                    yield device
                return
            time.sleep(_LOOK_AGAIN_S)


def open_device(settings: LatencySettings) -> Device:
    """The device that settings name, or a pool where they name several places."""
    devices = tuple(LatencyDevice(replace(settings, place=place)) for place in settings.places)
    return devices[0] if len(devices) == 1 else DevicePool(devices)


def _slowest(latencies: Sequence[Latency]) -> Latency:
    slow = max(latencies, key=lambda one: one.latency_ms)
    spread = slow.latency_ms / min(one.latency_ms for one in latencies)
    return replace(slow, conditions={**slow.conditions, BOARDS: float(len(latencies)), SPREAD: spread})


def _label(place: str) -> str:
    """A board's address without the paths of its owner's machine, which may be others when a search goes on."""
    return place.partition("?")[0]


def _name(place: str) -> str:
    return hashlib.sha256(place.encode()).hexdigest()[:16]


def _in_words(kind: Mapping[str, str]) -> str:
    return f"{kind['device']} with {kind['runtime']} {kind['runtime_version']}"
