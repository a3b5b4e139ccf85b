"""What a user asks of a search, and the settings that follow from it."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from nas.data import DetectionData
from nas.inherit import FreshSource, SourceChoice
from nas.latency import LOCAL, LatencySettings, parse_address
from nas.proxy import SOURCE_STEPS, ProxySettings, steps_for_epochs
from nas.search.effort import Rung
from nas.search.sampler import Sampler
from nas.search.sizing import AutoSpace
from nas.space import SearchSpace
from nas.study import AUTO, DataChoice, Limits, ProxyChoice, SearchSettings, SpaceChoice, StartChoice
from nas.util.provenance import file_digest


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks for.

    Attributes:
        space: The search space, with its input sizes fixed; or the spaces of which one is chosen by measurement.
        data: Data YAML, or None for the embedded set.
        fraction: Share of the training pictures that proxies use.
        budget: Candidates to train.
        limits: What a candidate must meet.
        latency: Where and how latency is measured.
        proxy: How proxies train.
        epochs: Length of a proxy in passes over the data; overrides the proxy's steps.
        sampler: `gp`, `tpe` or `random`.
        seed_literals: Whether the candidates begin with the shipped literals that lie in the space.
        finalist_seeds: Without rungs: seeds with which the best candidates and the best baseline are trained.
        workers: Trials at a time, each in a process; 0 runs in this process without Ray, with `ray_address` as many as
            the cluster holds.
        max_seconds: Seconds for the whole search; None for as many as it takes.
        name: Name of the search, or None for a digest of the settings.
        out: Folder of all results.
        source: What candidates begin with: a checkpoint's channels, or those of a YOLO11 that is trained on the data
            from fresh weights first; None where candidates themselves begin with fresh weights.
        source_steps: Steps for which the source is trained on the data first.
        rungs: Longer trainings that the best candidates are promoted to, the shortest first; none for proxies alone.
        storage: URL of the database that holds the study; None for where the results folder has it.
        ray_address: `auto` or `HOST:PORT` of a Ray cluster whose nodes train; None trains on this machine.
    """

    space: SearchSpace | AutoSpace
    data: str | None
    fraction: float
    budget: int
    limits: Limits
    latency: LatencySettings
    proxy: ProxySettings
    epochs: float | None
    sampler: Sampler
    seed_literals: bool
    finalist_seeds: int
    workers: int
    max_seconds: float | None
    name: str | None
    out: Path
    source: SourceChoice | None = None
    source_steps: int = SOURCE_STEPS
    rungs: tuple[Rung, ...] = ()
    storage: str | None = field(default=None, repr=False)
    ray_address: str | None = None


def search_settings(request: Request, data: DetectionData) -> SearchSettings:
    """Everything of a request that changes a number."""
    proxy, source = request.proxy, request.source
    return SearchSettings(
        space=(
            replace(AUTO, imgsz=request.space.imgsz)
            if isinstance(request.space, AutoSpace)
            else space_choice(request.space)
        ),
        data=DataChoice(data.name, data.digest, data.nc, request.fraction),
        limits=request.limits,
        latency=replace(request.latency, place=_place(request.latency.place)),
        proxy=ProxyChoice(
            train_device=proxy.device,
            steps=proxy.steps,
            batch=proxy.batch,
            seed=proxy.seed,
            class_loss=proxy.losses.classes,
            box_loss=proxy.losses.boxes,
            teacher=None if proxy.teacher is None else _identity(Path(proxy.teacher)),
            rungs=tuple(rung.steps for rung in request.rungs),
        ),
        sampler=request.sampler,
        start=StartChoice(
            source=None if source is None else source.name if isinstance(source, FreshSource) else _identity(source),
            source_steps=None if source is None else request.source_steps,
            seed_literals=request.seed_literals,
        ),
    )


def space_choice(space: SearchSpace, chosen: str | None = None) -> SpaceChoice:
    """A space as settings name it.

    Args:
        space: The space.
        chosen: The measurements by which it was chosen; None where it was asked for.
    """
    return SpaceChoice(space.name, space.digest, space.choices["imgsz"], chosen)


def _identity(path: Path) -> str:
    """A file's name and what tells its content from any other's."""
    return f"{path.name} ({file_digest(path)[:10]})"


def _place(place: str) -> str:
    """A device as reports name it, without the paths of its owner's machine."""
    return " ".join(one if one == LOCAL else parse_address(one).label for one in place.split())


def with_steps(request: Request, data: DetectionData) -> Request:
    if request.epochs is None:
        return request
    steps = steps_for_epochs(request.epochs, len(data.train), request.proxy.batch)
    return replace(request, proxy=request.proxy.with_steps(steps))
