"""What the two references take on a quiet device: measured once, then the unit of every latency there.

Kept in the device's cache folder by device, runtime, version, precision and threads. A machine's speed drifts by hours
and by neighbours; as long as a calibration stays, numbers of different days are comparable, because each is given at
the calibrated clock and memory. A calibration is made again when it is asked for, or when the device turns out clearly
faster than it was then: it was not quiet.
"""

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import StorageError, Unmeasurable
from nas.latency.protocol.collect import collect, pooled_figures
from nas.latency.protocol.estimate import Calibration
from nas.latency.protocol.plan import QUIET_CLOCK, Plan
from nas.latency.protocol.probe import Probe
from nas.util.paths import cache_dir, cache_subdir

_ROOM = "calibration"
_BURSTS = 5
_BURST_S = 2.0
_APART_S = 2.0
_LOW = 0.25
FASTER_COMPUTE, FASTER_MEMORY = 0.97, 0.90
"""A reference that takes less than this share of its calibrated time means that the device was not quiet then. The
memory is given more: what its neighbours leave a device changes by several percent from one second to the next."""

_PLAN = Plan(
    aim=0.0,
    refuse=1.0,
    measure_s=_BURST_S,
    patience_s=4 * _BURST_S,
    warmup_s=0.5,
    quiet_memory=math.inf,
    most_memory=math.inf,
    stop_above_target=False,
)
GLANCE = replace(_PLAN, measure_s=0.0, patience_s=2.0, warmup_s=0.05)
"""A look at the references that is over within a fifth of a second, where nothing disturbs."""

Runs = tuple[Callable[[], None], Callable[[], None]]
"""COMPUTE and MEMORY."""


def find(key: Mapping[str, Any]) -> Calibration | None:
    """The stored calibration of a key, or None."""
    try:
        data = json.loads(file_of(key).read_text(encoding="utf-8"))
        return Calibration.from_dict(data["calibration"]) if data["key"] == dict(key) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # Not there, or not readable any more: made again.


def calibrate(
    open_references: Callable[[], AbstractContextManager[Runs]],
    key: Mapping[str, Any],
    memory_bytes: int,
    probe: Probe,
    sleep: Callable[[float], None] = time.sleep,
) -> Calibration:
    """Measure both references in five quiet bursts of two seconds, two apart, and keep what they take.

    A burst's figure is what a measurement's is, the low quantile of its pooled runs. A burst in which COMPUTE takes
    clearly longer than in the fastest is of a shared core: it does not count, and another one is made, up to five. What
    is kept is the lower quartile of the bursts that count, of each reference for itself. The references are loaded
    anew for each burst, so that where their weights come to lie does not decide.

    Args:
        open_references: Loads both references.
        key: Device, runtime, version, precision, threads, digests of the references.
        memory_bytes: Size of MEMORY's file.
        probe: The clock and the disturbance counters.
        sleep: For tests.

    Raises:
        Unmeasurable: The device is too disturbed.
        StorageError: The cache folder cannot be written.
    """
    bursts: list[NDArray[np.float64]] = []
    while len(_quiet(bursts)) < _BURSTS and len(bursts) < 2 * _BURSTS:
        bursts.append(_burst(open_references, probe))
        sleep(_APART_S)
    compute, memory = np.quantile(_quiet(bursts), _LOW, axis=0)
    if not (compute > 0 and memory > 0):
        raise Unmeasurable(f"unmeasurable: the references took {compute:g} and {memory:g} ms")
    made_at = time.time()
    identity = hashlib.sha256(json.dumps([dict(key), made_at], sort_keys=True).encode()).hexdigest()[:12]
    made = Calibration(float(compute), float(memory), memory_bytes, made_at, identity)
    keep(key, made)
    return made


def clearly_faster(runs: Runs, probe: Probe, than: Calibration) -> bool:
    """Whether COMPUTE or MEMORY take clearly less now, by a few slices, than when the device was calibrated.

    Raises:
        Unmeasurable: The device is too disturbed.
    """
    compute, memory = pooled_figures(collect(runs, GLANCE, probe, lambda slices: True).slices)
    return bool(compute < FASTER_COMPUTE * than.compute_ms or memory < FASTER_MEMORY * than.memory_ms)


def _burst(open_references: Callable[[], AbstractContextManager[Runs]], probe: Probe) -> NDArray[np.float64]:
    with open_references() as runs:
        return pooled_figures(collect(runs, _PLAN, probe, lambda slices: False).slices)


def _quiet(bursts: Sequence[NDArray[np.float64]]) -> Sequence[NDArray[np.float64]]:
    """The bursts of which COMPUTE's figure is near the fastest one's."""
    fastest = min((one[0] for one in bursts), default=0.0)
    return [one for one in bursts if one[0] <= QUIET_CLOCK * fastest]


def file_of(key: Mapping[str, Any]) -> Path:
    name = hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()[:24]
    return cache_dir() / _ROOM / f"{name}.json"


def keep(key: Mapping[str, Any], made: Calibration) -> None:
    path = cache_subdir(_ROOM, needed_bytes=2**20) / file_of(key).name
    draft = path.with_suffix(f".{os.getpid()}.part")
    try:
        draft.write_text(json.dumps({"key": dict(key), "calibration": made.to_dict()}), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
