"""A whole search, from what was asked to the results folder. The command line is a thin layer over `run_search`."""

import hashlib
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from nas.data import DetectionData, load
from nas.data.image_cache import check_memory
from nas.data.picture_files import split_that_holds
from nas.errors import (
    LatencyError,
    ProxyError,
    StorageError,
    StudyError,
    TargetUnreachable,
    UsageError,
)
from nas.inherit.values import Tuned
from nas.latency import LatencySettings
from nas.latency.artifacts.prepare import prepare_reference
from nas.latency.artifacts.sized import Sized
from nas.latency.measure import key_of, needed_calibration, run_once
from nas.latency.predictions import opened_for_pictures
from nas.latency.protocol.estimate import Calibration
from nas.latency.protocol.reference_nets import COMPUTE
from nas.latency.remote.connection import LOCAL, open_link
from nas.latency.remote.ssh import parse_address
from nas.latency.retry import patiently
from nas.proxy import BASELINE_RATES, SOURCE_STEPS, ProxySettings, steps_for_epochs
from nas.proxy.device import find_device, find_precision
from nas.results.report import Outcome, write
from nas.results.writable import check_name, check_results
from nas.search.conclude import conclude
from nas.search.evaluate import Evaluator, Limits, Task, begun, data_of, evaluate, measure_only
from nas.search.executors import inline, ray_tune
from nas.search.feasibility import Feasibility, check
from nas.search.latency_filter import foresee
from nas.search.progress import Progress
from nas.search.promotions import kind, standing
from nas.search.sampler import Sampler
from nas.search.scheduler import Campaign
from nas.search.source_baselines import scale_of
from nas.space.literals import points, shipped_literals
from nas.space.space import SearchSpace
from nas.study.accuracy import FAVOURITES
from nas.study.settings import SearchSettings
from nas.study.storage import STUDY_FILE
from nas.study.store import Annotate, StoredStudy
from nas.util.machine_lock import Turnstile
from nas.util.paths import writable_dir
from nas.util.provenance import machine, versions
from nas.util.worker_messages import shown

# Rough share of candidates that the gate rejects, for the estimate before anything is known.
_EXPECTED_REJECTED = 0.5
_CALIBRATION_STEPS = (2, 8)


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks for.

    Attributes:
        space: The search space, with its input sizes fixed.
        data: Data YAML, or None for the embedded set.
        fraction: Share of the training pictures that proxies use.
        budget: Candidates to train.
        limits: The gate.
        latency: Where and how latency is measured.
        proxy: How proxies train.
        epochs: Length of a proxy in passes over the data; overrides the proxy's steps.
        sampler: `gp`, `tpe` or `random`.
        seed_literals: Whether the candidates begin with the shipped literals that lie in the space.
        finalist_seeds: Seeds with which the best candidates and the best baseline are trained.
        workers: Worker processes; 0 runs in this process without Ray.
        max_seconds: No candidate begins after this many seconds.
        name: Name of the search, or None for a digest of the settings.
        out: Folder of all results.
        source: Checkpoint whose channels candidates begin with, None from scratch.
        source_steps: Steps for which it is tuned on the data first.
        last_rung: Steps of the last rung, at which the best designs are trained in the end; None where there is none.
    """

    space: SearchSpace
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
    source: Path | None = None
    source_steps: int = SOURCE_STEPS
    last_rung: int | None = None


class Reporter(Protocol):
    """What the user is shown while a search runs."""

    def reading(self, done: int, of: int) -> None:
        """Pictures of the data set are read for the first time."""

    def tuning(self, done: int, of: int) -> None:
        """The source is being tuned on the data; steps done."""

    def tuned(self, source: Tuned) -> None:
        """The source is tuned; candidates inherit from it."""

    def opened(self, folder: Path, settings: SearchSettings, data: DetectionData, done: int) -> None:
        """The study is open, the device is measured next; `done` candidates were trained before."""

    def waiting(self, text: str) -> None:
        """The device gives no latency now; why, and when it is asked again."""

    def feasible(self, found: Feasibility) -> None:
        """The target can be met."""

    def estimated(self, seconds: float) -> None:
        """How long the search will take, about."""

    def progress(self, progress: Progress) -> None:
        """A trial has finished."""

    def interrupted(self) -> None:
        """Ctrl-C was pressed; the front so far is being finished."""

    def finalists(self, labels: str) -> None:
        """Finalists are being measured together."""


def run_search(
    request: Request, reporter: Reporter, annotate: Annotate | None = None, evaluator: Evaluator = evaluate
) -> Outcome:
    """Run a search, or take it up where it stands, and write its results folder.

    Args:
        request: What is asked.
        reporter: Shows progress.
        annotate: Notes finished trials for the dashboard.
        evaluator: How one architecture is evaluated.

    Raises:
        GhostnasError: The search cannot be carried out as asked.
    """
    began = time.monotonic()
    if request.budget < 1:
        raise UsageError(f"--budget must be at least 1 trained candidate, got {request.budget}")
    if request.name is not None:
        check_name(request.name)
    data = load(request.data, fraction=request.fraction, reading=reporter.reading)
    request = _with_steps(request, data)
    _check_last_rung(request)
    settings = search_settings(request, data)
    folder = request.out / (request.name or settings.default_name)
    if request.data is not None and (key := split_that_holds(data.source, folder)) is not None:
        raise UsageError(
            f"the picture of {folder} would become one of `{key}:`, in whose folder it lies; choose another --out"
        )
    check_results(folder)
    if request.workers:
        ray_tune.home()
    Turnstile()
    if not os.path.exists(folder / STUDY_FILE):  # no error where the name is too long: that is told below
        _check_heads(request)
        _check_checkpoints(request)
        check_memory(data.train, max(request.space.choices["imgsz"]))
        _check_device(request.latency)
    writable_dir(folder)
    # A path that travels to other processes is absolute, whatever folder they run in.
    source = None if request.data is None else str(data.source.absolute())
    sizes = {d.name: len(d.choices) for d in request.space.dimensions}
    study = StoredStudy(folder, settings, sizes, annotate)
    try:
        done = sum(r.status == "trained" for r in study.records())
        reporter.opened(folder, settings, data, done)
        begun = _begun(study, request.latency, request.proxy, complete=done >= request.budget)
        tuned = None if request.source is None else _tuned(study, request, request.source, data, reporter)
        task = Task(
            limits=request.limits,
            latency=request.latency,
            calibration=_calibration(study, request.latency, reporter),
            proxy=request.proxy,
            data=source,
            fraction=request.fraction,
            classes=data.nc,
            folder=folder.absolute(),
            data_digest=data.digest,
            source=None if tuned is None else tuned.file,
            last_rung=request.last_rung,
            baseline_lrs=() if tuned is None else BASELINE_RATES,
        )
        with shown(task.folder, reporter.waiting):
            found = _feasibility(study, request, task)
            reporter.feasible(found)
            if done < request.budget:
                _estimate(request, task, found, study, reporter)
            ended = _carry_out(study, request, task, found, reporter, evaluator)
        finalists = conclude(study, task, reporter.finalists, reporter.waiting)
        outcome = Outcome(
            folder=folder,
            settings=settings,
            budget=request.budget,
            records=study.records(),
            baseline_records=study.baselines(),
            repeats=study.repeats(),
            begun=begun,
            front=finalists.front,
            baselines=finalists.baselines,
            fastest_ms=found.fastest_ms,
            slowest_ms=found.slowest_ms,
            ended=ended,
            seconds=time.monotonic() - began,
            data_sizes={part.name: len(part) for part in (data.train, data.select, data.val)},
            protocol=request.proxy.to_dict(),
            data_yaml=source,
            findings=data.findings,
            promoted=finalists.promoted,
            source=tuned,
            standing=None if request.last_rung is None else standing(study),
        )
        try:
            write(outcome)
        except OSError as error:
            raise StorageError(
                f"cannot write in {folder}: {error.strerror or error}; the study is whole: make room, and the same "
                "command writes the report"
            ) from error
        return outcome
    except TargetUnreachable:
        study.discard()  # so that the next try may have the same name and another target
        raise
    finally:
        study.close()


def search_settings(request: Request, data: DetectionData) -> SearchSettings:
    """Everything of a request that changes a number."""
    return SearchSettings(
        space=request.space.name,
        space_digest=request.space.digest,
        imgsz=request.space.choices["imgsz"],
        data=data.name,
        data_digest=data.digest,
        classes=data.nc,
        fraction=request.fraction,
        target_ms=request.limits.target_ms,
        max_params=request.limits.max_params,
        max_gflops=request.limits.max_gflops,
        max_bytes=request.limits.max_bytes,
        place=_place(request.latency.place),
        device=request.latency.device,
        runtime=request.latency.runtime,
        precision=request.latency.precision,
        threads=request.latency.threads,
        scope=request.latency.scope,
        statistic=request.latency.statistic,
        sustained_s=request.latency.sustained_s,
        train_device=request.proxy.device,
        steps=request.proxy.steps,
        batch=request.proxy.batch,
        sampler=request.sampler,
        seed=request.proxy.seed,
        class_loss=request.proxy.losses.classes,
        box_loss=request.proxy.losses.boxes,
        seed_literals=request.seed_literals,
        source=None if request.source is None else _identity(request.source),
        source_steps=None if request.source is None else request.source_steps,
        teacher=None if request.proxy.teacher is None else _identity(Path(request.proxy.teacher)),
        last_rung=request.last_rung,
    )


def _identity(path: Path) -> str:
    """A file's name and what tells its content from any other's."""
    with path.open("rb") as file:
        return f"{path.name} ({hashlib.file_digest(file, 'sha256').hexdigest()[:10]})"


def estimate_s(request: Request, task: Task, found: Feasibility, study: StoredStudy) -> float:
    """Seconds that the rest of a search will take, about: from one short proxy and one screening, timed here."""
    from nas.proxy import train_proxy

    design = found.baselines.get("yolo11-scaled") or list(found.baselines.values())[-1]  # the largest of a source
    screening = sum(measure_only(design, task).seconds.values())
    data = data_of(task)
    few, more = _CALIBRATION_STEPS
    times = []
    for steps in (few, few, more):  # the first fills the picture cache and warms torch up
        began = time.monotonic()
        model, _ = begun(design, task)
        train_proxy(model, data, design.imgsz, task.proxy.with_steps(steps), Turnstile())
        times.append(time.monotonic() - began)
    step = max(times[2] - times[1], 0.0) / (more - few)
    proxy = times[1] + (task.proxy.steps - few) * step
    done = sum(record.status == "trained" for record in [*study.records(), *study.baselines()])
    left = request.budget + len(found.baselines) * max(1, len(task.baseline_lrs)) - done
    screenings = left / (1 - _EXPECTED_REJECTED) * screening
    return (left * proxy + _after_trials(request, task, found, times[1], step) + screenings) / max(1, request.workers)


def _after_trials(request: Request, task: Task, found: Feasibility, few_s: float, step_s: float) -> float:
    """Seconds of one core that the last phase takes, about.

    Args:
        request: What is asked.
        task: How designs are evaluated.
        found: The baselines.
        few_s: What a training of `_CALIBRATION_STEPS[0]` steps takes.
        step_s: What every further step takes.
    """
    steps = request.proxy.steps if request.last_rung is None else request.last_rung
    training = few_s + (steps - _CALIBRATION_STEPS[0]) * step_s
    if request.last_rung is None:
        return (request.finalist_seeds - 1) * (FAVOURITES + 1) * training
    kinds = len({kind(label) for label in found.baselines})
    return (FAVOURITES + kinds * max(1, len(task.baseline_lrs))) * training


def _place(place: str) -> str:
    """A device as reports name it, without the paths of its owner's machine."""
    return place if place == LOCAL else parse_address(place).label


def _check_device(latency: LatencySettings) -> None:
    """What a new search cannot do without is told before anything is written: the device, and the runtime on it.

    Raises:
        LatencyError: The device cannot be reached, has not got the runtime or cannot run a model in it; or this machine
            cannot, and could not score what was timed there.
    """
    probe = Sized(prepare_reference(COMPUTE, latency), COMPUTE.imgsz)
    with open_link(latency.place) as link:
        key_of("", 0, latency, link)
        run_once(probe, latency, link)
    if latency.place == LOCAL:
        return
    try:
        with opened_for_pictures(probe, latency):
            pass
    except LatencyError as error:
        raise type(error)(
            f"{error}. A finalist's file is scored here, on this machine, in the runtime and precision that were timed "
            "on the device, so both need them; `ghostnas latency --device` measures without"
        ) from error


def _check_heads(request: Request) -> None:
    if request.latency.runtime == "ncnn" and True in request.space.choices["end2end"]:
        raise UsageError(
            f"ncnn cannot run the heads without NMS of {request.space.name} (it has no top-k); write `end2end: false` "
            "in a space file of your own, or choose another --runtime"
        )


def _check_checkpoints(request: Request) -> None:
    """What proxies begin with and learn from is loaded once before anything is written.

    Raises:
        ModelError: It is no checkpoint of a detector, or a search cannot start from it.
        UsageError: The teacher cannot teach every design of the space.
    """
    from nas.architecture.to_yaml import to_yaml
    from nas.inherit.start import load_source
    from nas.model.build import build
    from nas.proxy.loss import check_strides
    from nas.proxy.pretrained import load_known

    if request.source is not None:
        scale_of(load_source(request.source), str(request.source))
    if request.proxy.teacher is not None:
        teacher = load_known(request.proxy.teacher)
        for levels in request.space.choices["levels"]:
            design = replace(request.space.smallest()[0], levels=levels)
            check_strides(teacher, build(to_yaml(design, 1), seed=0), request.proxy.teacher)


def _begun(study: StoredStudy, latency: LatencySettings, proxy: ProxySettings, *, complete: bool) -> dict[str, Any]:
    """Where and with which versions a search began: what is measured later belongs beside it only if it is there, too.

    Args:
        study: The study, in which it is kept.
        latency: Where latencies are measured.
        proxy: How proxies train.
        complete: Whether no candidate will be measured any more, so that the device may be away.

    Raises:
        LatencyError: The device cannot be reached.
        StudyError: It is of another kind than at the beginning, or its runtime has another version; or proxies would
            compute in another precision.
    """
    kept: dict[str, Any] | None = study.attribute("begun")
    if kept is not None and complete:
        return kept
    with open_link(latency.place) as link:
        key = key_of("", 0, latency, link)
    # Of one kind are two containers on a machine, and two boards of a make; each has a number of its own.
    here = {
        "device": key["device"].split(", machine ")[0],
        "runtime": f"{key['runtime']} {key['runtime_version']}",
        "arithmetic": find_precision(proxy.precision, find_device(proxy.device)),
    }
    for name, now in here.items():
        if kept is not None and kept[name] != now:
            raise StudyError(
                f"{study.folder} began with another {name} ({kept[name]}) than there is now ({now}), and numbers of "
                "both do not compare; go on where it began, or give this search a --name of its own"
            )
    if kept is None:
        kept = {**here, "machine": machine(), "versions": versions()}
        study.keep("begun", kept)
    return kept


def _estimate(request: Request, task: Task, found: Feasibility, study: StoredStudy, reporter: Reporter) -> None:
    """Tell how long the rest takes; a search does not end because that cannot be told."""
    try:
        reporter.estimated(estimate_s(request, task, found, study))
    except (LatencyError, ProxyError) as error:
        reporter.waiting(f"how long the search will take cannot be told: {error}")


def _calibration(study: StoredStudy, latency: LatencySettings, reporter: Reporter) -> Calibration | None:
    """The one calibration of a search: resumed years later, its latencies are still comparable with each other."""
    kept = study.attribute("calibration")
    if kept is not None:
        return Calibration.from_dict(kept)
    made = patiently(lambda: needed_calibration(latency), notice=reporter.waiting)
    if made is not None:
        study.keep("calibration", made.to_dict())
    return made


def _tuned(study: StoredStudy, request: Request, source: Path, data: DetectionData, reporter: Reporter) -> Tuned:
    """The source of a search, tuned on its data; where nothing is left to train, what is known of it.

    Raises:
        StudyError: It was tuned again since the search began, and came out otherwise.
    """
    from nas.inherit.tuned import how_to_tune, tune

    proxy = request.proxy
    how = how_to_tune(request.source_steps, proxy.device, proxy.batch, proxy.losses)
    known = study.attribute("source")
    before = None if known is None else Tuned.from_dict(known)
    trained = sum(record.status == "trained" for record in study.records())
    if before is not None and trained >= request.budget and standing(study).finished:
        return before
    tuned = tune(source, data, max(request.space.choices["imgsz"]), how, Turnstile(), reporter.tuning)
    if before is not None and before.digest != tuned.digest:
        raise StudyError(
            f"{study.folder} inherits from a source that is not in the cache folder any more, and {source} came out "
            "otherwise when it was tuned again; scores of both do not compare: give this search a --name of its own"
        )
    study.keep("source", tuned.to_dict())
    reporter.tuned(tuned)
    return tuned


def _feasibility(study: StoredStudy, request: Request, task: Task) -> Feasibility:
    kept = study.attribute("feasibility")
    if kept is not None:
        return Feasibility.from_dict(kept)
    literals = points(request.space, shipped_literals().values()) if request.seed_literals else {}
    scale = None
    if task.source is not None:
        from nas.inherit.tuned import read_tuned

        scale = scale_of(read_tuned(task.source)["model"], str(request.source))
    found = check(request.space, task, literals=literals.values(), source=scale)
    study.keep("feasibility", found.to_dict())
    return found


def _carry_out(
    study: StoredStudy,
    request: Request,
    task: Task,
    found: Feasibility,
    reporter: Reporter,
    evaluator: Evaluator,
) -> str:
    campaign = Campaign(
        study,
        request.space,
        sampler=request.sampler,
        seed=request.proxy.seed,
        budget=request.budget,
        # One more than the workers is under way, so that no worker waits for the sampler.
        parallel=request.workers + 1 if request.workers else 1,
        max_seconds=request.max_seconds,
        baselines=found.baselines,
        seeds=found.seeds,
        near=() if task.source is None else tuple(found.baselines.values()),
        foresee=foresee(task),
        repetitions=request.finalist_seeds - 1,
        last_rung=request.last_rung,
        on_progress=reporter.progress,
    )
    try:
        if request.workers:
            ray_tune.run(campaign, task, evaluator, request.workers)
        else:
            inline.run(campaign, task, evaluator)
    except KeyboardInterrupt:
        reporter.interrupted()
        return "interrupted"
    return campaign.ended or "interrupted"


def _with_steps(request: Request, data: DetectionData) -> Request:
    if request.epochs is None:
        return request
    steps = steps_for_epochs(request.epochs, len(data.train), request.proxy.batch)
    return replace(request, proxy=request.proxy.with_steps(steps))


def _check_last_rung(request: Request) -> None:
    """Raises UsageError where the last rung is no longer than what comes before it."""
    if request.last_rung is not None and request.last_rung < request.proxy.steps:
        raise UsageError(
            f"the last rung must have at least as many steps as a proxy ({request.proxy.steps}), got "
            f"{request.last_rung}; name a longer one, or shorter proxies"
        )
