"""A whole search, from what was asked to the results folder. The command line is a thin layer over `run_search`."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from nas.errors import (
    GhostnasError,
    LatencyError,
    ProxyError,
    StorageError,
    StudyError,
    TargetUnreachable,
)
from nas.inherit import SourceChoice, Tuned
from nas.latency import Device, Latency, retry_while_disturbed
from nas.proxy import BASELINE_RATES
from nas.results import hand_over, write, write_reports
from nas.search.compare import compared
from nas.search.conclude import weights_of
from nas.search.eta import FINALISTS_S, Costs, TimeLeft, done_in, fitting, from_now, seconds_left, timed
from nas.search.evaluate import Evaluator, Task, evaluate
from nas.search.executors import inline, ray_tune
from nas.search.executors.cluster import run as cluster
from nas.search.feasibility import Feasibility, check
from nas.search.gain import gain_of
from nas.search.latency_filter import latency_predictor
from nas.search.measured_file import conclude_with_file
from nas.search.missing_weights import train_missing, write_missing_designs
from nas.search.plan import Plan, planned
from nas.search.preflight import where_begun
from nas.search.progress import Reporter
from nas.search.proposals import Proposer
from nas.search.remeasure import confirm
from nas.search.request import Request
from nas.search.rung_state import standing
from nas.search.scheduler import TrialScheduler
from nas.search.size_share import size_share
from nas.search.source_baselines import scale_of_source
from nas.search.val_detections import Detections
from nas.space import SearchSpace, points, shipped_literals
from nas.study import (
    Annotate,
    Outcome,
    StoredStudy,
    TrainedRecord,
    conclusion_of,
    kept_comparison,
    rung_scores,
)
from nas.util import termination
from nas.util.machine_lock import MachineLock
from nas.util.worker_messages import follow


def run_search(
    request: Request, reporter: Reporter, annotate: Annotate | None = None, evaluator: Evaluator = evaluate
) -> Outcome:
    """Run a search, or take it up where it stands, and write its results folder.

    Args:
        request: What is asked.
        reporter: Shows progress.
        annotate: Notes finished trials for the dashboard.
        evaluator: How one architecture is evaluated on this machine; a cluster has its own way (`Halves`).

    Raises:
        GhostnasError: The search cannot be carried out as asked.
        KeyboardInterrupt: SIGTERM came; what is finished is stored, and no results are written.
    """
    if request.ray_address is not None and evaluator is not evaluate:
        raise TypeError("a search on a cluster takes no evaluator: it screens here and trains there")
    began = time.monotonic()
    plan = planned(request, reporter)
    study = StoredStudy(plan.folder, plan.asked, plan.sizes, annotate, plan.storage, reporter.waiting)
    try:
        if plan.settings != plan.asked:
            study.keep("space", asdict(plan.settings.space))
        return _searched(plan, study, reporter, evaluator, began)
    except TargetUnreachable:
        study.discard()  # so that the next try may have the same name and another target
        raise
    finally:
        study.close()


def _searched(plan: Plan, study: StoredStudy, reporter: Reporter, evaluator: Evaluator, began: float) -> Outcome:
    request, data = plan.request, plan.data
    done = sum(r.status == "trained" for r in study.records())
    complete = done >= request.budget and _rungs_finished(study, request)
    reporter.opened(plan.folder, plan.settings, data, done)
    begun = where_begun(study, plan.device, request.proxy, complete=complete)
    task = _task(plan, _calibrated(study, plan.device, reporter))
    with follow(task.folder, reporter.waiting):
        found = _feasibility(study, plan, task)  # a target that nothing can meet is said before minutes of training
        reporter.feasible(found)
        tuned = None if request.source is None else tuned_source(study, plan, request.source, reporter)
        if tuned is not None:
            task = replace(task, source=tuned.file, baseline_lrs=BASELINE_RATES)
        left, request = None, from_now(request, time.monotonic() - began)
        if not complete and (costs := _timed(task, plan.space, found, reporter)) is not None:
            request = _fitted(request, task, found, study, costs, reporter)
            left = _time_left(request, task, found, study, costs)
        ended = _carry_out(study, plan, request, task, found, left, reporter, evaluator)
    write_missing_designs(study, task)
    hurried = ended == "interrupted"
    finalists = conclude_with_file(study, task, reporter.finalists, reporter.waiting, hurried=hurried)
    rungs = standing(study, request.rungs)
    whole = bool(rungs) and all(one.finished for one in rungs)
    seen = Detections(task, reporter.waiting)
    outcome = Outcome(
        folder=plan.folder,
        settings=plan.settings,
        budget=request.budget,
        asked=plan.request.budget,
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
        protocol=request.proxy.with_steps(study.proxy_steps).to_dict(),
        data_yaml=task.data,
        data_file=str(data.source.absolute()),
        class_names=data.names,
        findings=data.findings,
        promoted=finalists.promoted,
        source=tuned,
        standing=rungs,
        rungs=rung_scores(study),
        first_rung=study.proxy_steps,
        lengthened=tuple((study.attribute("first_rung") or {}).get("why", ())),
        gain=gain_of(study, seen, finalists, inherited=tuned is not None) if whole else None,
        retrained=tuple(study.attribute("retrained") or ()),
    )
    study.keep("concluded", conclusion_of(outcome))
    outcome = replace(outcome, comparison=kept_comparison(outcome))
    _write(outcome)
    return with_comparison(outcome, task, seen, reporter)


def with_comparison(outcome: Outcome, task: Task, seen: Detections, reporter: Reporter) -> Outcome:
    """An outcome whose results are written, with what only its reports show; without that where it cannot be found."""
    # Whoever interrupts a search does not wait for more than its front.
    if outcome.comparison is not None or outcome.ended == "interrupted":
        return outcome
    try:
        found = replace(outcome, comparison=compared(outcome, task, seen, reporter.comparing))
        if found.comparison is not None:
            write_reports(found)
    except (GhostnasError, KeyboardInterrupt) as error:
        why = str(error) or "interrupted"
        reporter.waiting(f"report.html is without the comparison of trained models ({why}); the same command makes it")
        return outcome
    return found


def _write(outcome: Outcome) -> None:
    try:
        write(outcome)
        hand_over(outcome)
    except OSError as error:
        raise StorageError(
            f"cannot write in {outcome.folder}: {error.strerror or error}; the study is whole: make room, and the same "
            "command writes the report"
        ) from error


def _task(plan: Plan, device: Device) -> Task:
    """What travels to the workers, from scratch; its paths are absolute, whatever folder they run in."""
    request, data = plan.request, plan.data
    return Task(
        limits=request.limits,
        device=device,
        proxy=request.proxy,
        data=None if request.data is None else str(data.source.absolute()),
        fraction=request.fraction,
        classes=data.nc,
        folder=plan.folder.absolute(),
        data_digest=data.digest,
    )


def _timed(task: Task, space: SearchSpace, found: Feasibility, reporter: Reporter) -> Costs | None:
    """What the parts of the search take; None where that cannot be measured, for which no search ends."""
    try:
        return timed(task, space, list(found.baselines.values())[-1])
    except (LatencyError, ProxyError) as error:
        reporter.waiting(f"how long the search will take cannot be estimated: {error}")
        return None


def _fitted(
    request: Request, task: Task, found: Feasibility, study: StoredStudy, costs: Costs, reporter: Reporter
) -> Request:
    """Plan what fits into the time that was asked for, and report how long it takes."""
    rates, done = max(1, len(task.baseline_lrs)), done_in(study, request.rungs)
    request = replace(request, proxy=request.proxy.with_steps(study.proxy_steps))
    fitted = fitting(request, rates, found, done, costs)
    seconds = seconds_left(fitted, rates, found, done, costs)
    fits = request.max_seconds is None or seconds <= request.max_seconds
    reporter.estimated(seconds + FINALISTS_S, fitted.budget, request.budget, fits)
    return fitted


def _time_left(request: Request, task: Task, found: Feasibility, study: StoredStudy, costs: Costs) -> TimeLeft:
    """What estimates, after each trial, how long the search still takes."""

    def expected() -> float:
        now = replace(request, proxy=request.proxy.with_steps(study.proxy_steps))
        return seconds_left(now, max(1, len(task.baseline_lrs)), found, done_in(study, request.rungs), costs)

    return TimeLeft(expected, after=FINALISTS_S)


def _calibrated(study: StoredStudy, device: Device, reporter: Reporter) -> Device:
    """The device with the one calibration of a search: resumed later, its latencies still compare with each other."""
    kept = study.attribute("calibration")
    if kept is not None:
        return device.with_calibration(kept)
    made: Device = retry_while_disturbed(device.calibrated, notice=reporter.waiting)
    if made.calibration_kept is not None:
        study.keep("calibration", made.calibration_kept)
    return made


def tuned_source(study: StoredStudy, plan: Plan, source: SourceChoice, reporter: Reporter) -> Tuned:
    """The source of a search, tuned on its data; where nothing is left to train, what is known of it.

    Raises:
        StudyError: It was tuned again since the search began, and came out otherwise.
    """
    from nas.inherit import how_to_tune, tune

    request, proxy = plan.request, plan.request.proxy
    how = how_to_tune(request.source_steps, proxy.device, proxy.batch, proxy.losses)
    known = study.attribute("source")
    before = None if known is None else Tuned.from_dict(known)
    trained = sum(record.status == "trained" for record in study.records())
    if before is not None and trained >= request.budget and _rungs_finished(study, request):
        return before
    tuned = tune(source, plan.data, max(plan.space.choices["imgsz"]), how, MachineLock(), reporter.tuning)
    if before is not None and before.digest != tuned.digest:
        raise StudyError(
            f"{study.folder} inherits from a source that is not in the cache folder any more, and {source} came out "
            "otherwise when it was tuned again; scores of both do not compare: give this search a --name of its own"
        )
    study.keep("source", tuned.to_dict())
    reporter.tuned(tuned)
    return tuned


def _rungs_finished(study: StoredStudy, request: Request) -> bool:
    return all(one.finished for one in standing(study, request.rungs))


def _feasibility(study: StoredStudy, plan: Plan, task: Task) -> Feasibility:
    kept = study.attribute("feasibility")
    if kept is not None:
        return Feasibility.from_dict(kept)
    literals = points(plan.space, shipped_literals().values()) if plan.request.seed_literals else {}
    source = plan.request.source
    scale = None if source is None else scale_of_source(source)
    found = check(plan.space, task, literals=literals.values(), source=scale)
    study.keep("feasibility", found.to_dict())
    return found


def _carry_out(
    study: StoredStudy,
    plan: Plan,
    request: Request,
    task: Task,
    found: Feasibility,
    left: TimeLeft | None,
    reporter: Reporter,
    evaluator: Evaluator,
) -> str:
    def confirmed(records: Sequence[TrainedRecord]) -> dict[str, Latency]:
        train_missing(records, study, task, reporter.waiting)
        reporter.confirming(", ".join(record.label for record in records))
        return confirm(records, task, weights_of(rung_scores(study)), reporter.waiting)

    scheduler = TrialScheduler(
        study,
        Proposer(
            plan.space,
            sampler=request.sampler,
            seed=request.proxy.seed,
            limits=task.limits,
            seeds=tuple(found.seeds),
            near=() if task.source is None else tuple(found.baselines.values()),
            predict=latency_predictor(task),
            size_used=size_share(task),
        ),
        budget=request.budget,
        # One more than the workers is under way, so that no worker waits for the sampler.
        parallel=request.workers + 1 if request.workers else 1,
        max_seconds=request.max_seconds,
        baselines=found.baselines,
        replicates=request.finalist_seeds - 1,
        rungs=request.rungs,
        confirm=confirmed,
        left=left,
        notice=reporter.waiting,
        on_progress=reporter.progress,
    )
    try:
        if request.ray_address is not None:
            cluster.run(scheduler, task, request.ray_address, request.workers)
        elif request.workers:
            ray_tune.run(scheduler, task, evaluator, request.workers)
        else:
            inline.run(scheduler, task, evaluator)
    except KeyboardInterrupt:
        if termination.asked():
            raise
        reporter.interrupted()
        return "interrupted"
    return scheduler.ended or "interrupted"
