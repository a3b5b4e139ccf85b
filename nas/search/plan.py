"""What a search has settled before its study is opened."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from nas.data import DetectionData, check_memory, load, split_that_holds
from nas.errors import StudyError, UsageError
from nas.latency import Device, open_device, retry_while_disturbed
from nas.results import check_name, check_results
from nas.search.evaluate import Task, measure_only
from nas.search.executors import ray_tune
from nas.search.preflight import check_checkpoints, check_heads, check_latency_device, check_rungs, with_cluster
from nas.search.progress import Reporter
from nas.search.request import Request, search_settings, space_choice, with_steps
from nas.search.sizing import AutoSpace, sized
from nas.space import SearchSpace, load_space
from nas.study import SearchSettings, SpaceChoice, StudyStorage, check_settings, read_kept, storage_of
from nas.util.machine_lock import MachineLock
from nas.util.paths import check_writable, writable_dir
from nas.util.worker_messages import follow

ENLARGED = 1.5
"""Input sizes are at most so many times the pictures' own: what is enlarged further shows nothing new."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A search that can be carried out as asked, as far as that is known before it begins.

    Attributes:
        request: What is asked, the length of a proxy in steps.
        data: The data set.
        space: The search space, with its input sizes.
        asked: Everything that changes a number, as it is asked for.
        settings: The same with the space that was chosen.
        folder: The results folder; it is there and can be written.
        storage: Where the study lies.
        device: Where latencies are measured, without calibration.
    """

    request: Request
    data: DetectionData
    space: SearchSpace
    asked: SearchSettings
    settings: SearchSettings
    folder: Path
    storage: StudyStorage
    device: Device

    @property
    def sizes(self) -> dict[str, int]:
        """Number of choices by dimension."""
        return {one.name: len(one.choices) for one in self.space.dimensions}


def planned(request: Request, reporter: Reporter) -> Plan:
    """Read the data, settle what is asked, and check whatever can be checked before anything is written.

    Args:
        request: What is asked.
        reporter: Shown how many pictures are read, and what is measured to choose a space.

    Raises:
        GhostnasError: The search cannot be carried out as asked.
    """
    if request.name is not None:
        check_name(request.name)
    data = load(request.data, fraction=request.fraction, reading=reporter.reading)
    request = with_steps(request, data)
    check_rungs(request)
    asked = search_settings(request, data)
    folder = request.out / (request.name or asked.default_name)
    if request.data is not None and (key := split_that_holds(data.source, folder)) is not None:
        raise UsageError(
            f"the picture of {folder} would become one of `{key}:`, in whose folder it lies; choose another --out"
        )
    check_results(folder)
    storage = storage_of(folder, request.storage)
    if request.workers:
        ray_tune.home()
    MachineLock()
    request = with_cluster(request, data, reporter.waiting)
    device = open_device(request.latency)
    if not storage.exists():
        some = request.space.least if isinstance(request.space, AutoSpace) else request.space
        check_heads(request, some)
        check_checkpoints(request, some)
        check_memory(data.train, max(some.choices["imgsz"]))
        check_latency_device(device)
        check_writable(folder)
    else:
        check_writable(folder)
        check_settings(folder, storage, asked)  # before anything is measured
    space, chosen = settled_space(request, data, storage, device, reporter)
    check_memory(data.train, max(space.choices["imgsz"]))
    writable_dir(folder)
    return Plan(request, data, space, asked, replace(asked, space=chosen), folder, storage, device)


def settled_space(
    request: Request, data: DetectionData, storage: StudyStorage, device: Device, reporter: Reporter
) -> tuple[SearchSpace, SpaceChoice]:
    """The space that was asked for, that the study was begun with, or that is chosen now by measurement.

    Raises:
        StudyError: The study was begun with a space that is another one in this version.
        LatencyError: A latency could not be measured.
    """
    if not isinstance(request.space, AutoSpace):
        return request.space, space_choice(request.space)
    kept = read_kept(storage).get("space")
    if kept is None:
        reporter.choosing()
        space, why = chosen_space(request, request.space, data, device, reporter)
        return space, space_choice(space, why)
    known = SpaceChoice(**{**kept, "imgsz": tuple(kept["imgsz"])})
    space = load_space(known.space).with_imgsz(known.imgsz)
    if space.digest != known.space_digest:
        raise StudyError(
            f"{storage.label} was begun with the space {known.space} of another version; give this search a --name of "
            "its own"
        )
    return space, known


def chosen_space(
    request: Request, auto: AutoSpace, data: DetectionData, device: Device, reporter: Reporter
) -> tuple[SearchSpace, str]:
    """Choose a space by the latencies of YOLO11; nothing is left in a folder."""
    with TemporaryDirectory() as folder, follow(Path(folder), reporter.waiting):
        task = Task(
            limits=request.limits,
            device=retry_while_disturbed(device.calibrated, notice=reporter.waiting),
            proxy=request.proxy,
            data=None if request.data is None else str(data.source.absolute()),
            fraction=request.fraction,
            classes=data.nc,
            folder=Path(folder),
        )
        return sized(
            auto,
            request.limits.target_ms,
            round(ENLARGED * data.picture_px),
            lambda design: measure_only(design, task).latency.latency_ms,
        )
