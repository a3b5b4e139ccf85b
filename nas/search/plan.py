"""What a search has settled before its study is opened."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nas.data import DetectionData, check_memory, load, split_that_holds
from nas.errors import UsageError
from nas.latency import LatencyDevice
from nas.results import check_name, check_results
from nas.search.executors import ray_tune
from nas.search.preflight import check_checkpoints, check_heads, check_last_rung, check_latency_device
from nas.search.request import Request, search_settings, with_steps
from nas.study import STUDY_FILE, SearchSettings
from nas.util.machine_lock import MachineLock
from nas.util.paths import writable_dir


@dataclass(frozen=True, slots=True)
class Plan:
    """A search that can be carried out as asked, as far as that is known before it begins.

    Attributes:
        request: What is asked, the length of a proxy in steps.
        data: The data set.
        settings: Everything that changes a number.
        folder: The results folder; it is there and can be written.
        device: Where latencies are measured, without calibration.
    """

    request: Request
    data: DetectionData
    settings: SearchSettings
    folder: Path
    device: LatencyDevice

    @property
    def sizes(self) -> dict[str, int]:
        """Number of choices by dimension."""
        return {one.name: len(one.choices) for one in self.request.space.dimensions}


def planned(request: Request, reading: Callable[[int, int], None]) -> Plan:
    """Read the data, settle what is asked, and check whatever can be checked before anything is written.

    Args:
        request: What is asked.
        reading: Shown how many pictures are read, of how many.

    Raises:
        GhostnasError: The search cannot be carried out as asked.
    """
    if request.name is not None:
        check_name(request.name)
    data = load(request.data, fraction=request.fraction, reading=reading)
    request = with_steps(request, data)
    check_last_rung(request)
    settings = search_settings(request, data)
    folder = request.out / (request.name or settings.default_name)
    if request.data is not None and (key := split_that_holds(data.source, folder)) is not None:
        raise UsageError(
            f"the picture of {folder} would become one of `{key}:`, in whose folder it lies; choose another --out"
        )
    check_results(folder)
    if request.workers:
        ray_tune.home()
    MachineLock()
    device = LatencyDevice(request.latency)
    if not os.path.exists(folder / STUDY_FILE):  # no error where the name is too long: the study says that below
        check_heads(request)
        check_checkpoints(request)
        check_memory(data.train, max(request.space.choices["imgsz"]))
        check_latency_device(device)
    writable_dir(folder)
    return Plan(request, data, settings, folder, device)
