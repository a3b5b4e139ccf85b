"""One measurement on the machine that this process runs on: what the agent does when it is asked to measure."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from nas.errors import Unmeasurable
from nas.latency.artifacts.model_bytes import Read, SizedModel
from nas.latency.protocol import calibration
from nas.latency.protocol.collect import Slice, collect
from nas.latency.protocol.estimate import Calibration, LatencyEstimate, fit
from nas.latency.protocol.percentiles import observe
from nas.latency.protocol.plan import PLANS, PROTOCOL, Plan
from nas.latency.protocol.probe import Probe, ahead_of_others, device_kind, fingerprint, probe
from nas.latency.protocol.quiet_gate import quiet_gate
from nas.latency.runtimes.clock_scope import pictures_in, scoped
from nas.latency.runtimes.registry import open_session, runtime_version
from nas.latency.runtimes.session import check_finite
from nas.latency.types import LatencySettings, Level
from nas.util.machine_lock import MachineLock

_CLEARLY = 1.2
"""At the first look, too early for an answer, all of the interval must lie this much above the target."""


def key(digest: str, imgsz: int, settings: LatencySettings) -> dict[str, Any]:
    """Everything that a latency on this machine hangs on.

    Raises:
        RuntimeMissing: The runtime is not installed.
    """
    return {
        "model": digest,
        "device": fingerprint(settings.device),
        "runtime": settings.runtime,
        "runtime_version": runtime_version(settings.runtime),
        "threads": settings.threads,
        "precision": settings.precision,
        "input_shape": [1, 3, imgsz, imgsz],
        "scope": settings.scope,
        "statistic": settings.statistic
        if settings.sustained_s is None
        else f"{settings.statistic} of {settings.sustained_s:g} s",
    }


def key_here(request: Mapping[str, Any]) -> dict[str, Any]:
    """The key of a latency on this machine with the request's `settings`, without model and input shape; and the part
    of it that two devices of one kind share."""
    settings = LatencySettings(**request["settings"])
    found = key("", 0, settings)
    shared = {name: found[name] for name in ("runtime", "runtime_version")}
    return {"key": found, "kind": {"device": device_kind(settings.device), **shared}}


def calibrate_here(request: Mapping[str, Any], read: Read) -> dict[str, Any]:
    """The calibration for the request's settings: the stored one, or a new one.

    Args:
        request: `settings`, `references` (two models), `memory_bytes` (of the second), `fresh` (make a new one;
            False by default).
        read: The bytes of a digest.

    Returns:
        `calibration`, and `made`: whether it was made now.
    """
    settings = LatencySettings(**request["settings"])
    references = [SizedModel.read(one, read) for one in request["references"]]
    wanted = {**key("", 0, settings), "references": [one.model.digest for one in references], "protocol": PROTOCOL}
    for name in ("model", "input_shape", "scope", "statistic"):
        del wanted[name]
    found = None if request.get("fresh") else calibration.find(wanted)
    if found is not None and not _was_disturbed(found, references, settings):
        return {"calibration": found.to_dict(), "made": False}
    with MachineLock().measuring(), ahead_of_others(settings.threads):
        made = calibration.calibrate(
            lambda: open_references(references, settings), wanted, request["memory_bytes"], probe(settings.threads)
        )
    return {"calibration": made.to_dict(), "made": True}


def measure_here(request: Mapping[str, Any], read: Read) -> dict[str, Any]:
    """Measure models together, in one process, with the device to itself.

    On a CPU sessions are opened and outputs checked before the device is locked, so trainings wait only for the timed
    runs. On a GPU TensorRT and cuDNN time their kernels meanwhile, and what they choose beside a training stays.

    Args:
        request: `models` (each `digest`, `kind` and `imgsz`), `settings`, and for the statistic `quiet` also `level`,
            `references` (two models), `calibration` and `target_ms` (or None); for the scope `+nms`, `pictures`
            (digests, one a model).
        read: The bytes of a digest.

    Returns:
        `keys` and `build_s` (one a model), and `slices`, `dropped`, `seconds`, `waited_s`, `ahead`, `load`; or
        `observations`, one a model, for a percentile.

    Raises:
        RuntimeMissing: The runtime is not installed.
        Unmeasurable: The device is too disturbed for a number.
        LatencyError: A model does not run.
    """
    settings = LatencySettings(**request["settings"])
    models = [SizedModel.read(one, read) for one in request["models"]]
    keys = [key(one.model.digest, one.imgsz, settings) for one in models]
    seen = list(request.get("pictures", ()))
    with ExitStack() as stack:
        runs, builds, counts = [], [], []
        with _while_loading(settings):
            for one in models:
                session = stack.enter_context(open_session(one.model, one.imgsz, settings))
                check_finite(session)
                builds.append(session.build_s)
                pictures = read(seen.pop(0)) if seen else None
                runs.append(scoped(session, one.imgsz, settings.scope, pictures))
                counts.append(1 if pictures is None else pictures_in(pictures))
            sent = [SizedModel.read(one, read) for one in request.get("references", ())]  # a percentile has none
            references = stack.enter_context(open_references(sent, settings)) if sent else ()
        if settings.statistic != "quiet":
            return {"keys": keys, "build_s": builds, "observations": _observations(runs, settings)}
        calibration = Calibration.from_dict(request["calibration"])
        plan = PLANS[_level(request["level"])].shared_by(len(models))
        judge = _Judge(plan, calibration, [len(one.model.data) for one in models], request.get("target_ms"))
        counters = probe(settings.threads)
        stack.enter_context(MachineLock().measuring())
        load = os.getloadavg()[0]
        ahead = stack.enter_context(ahead_of_others(settings.threads))
        gate = quiet_gate(calibration, plan.quiet_memory, plan.most_memory)
        passes = [_pass(run, count) for run, count in zip(runs, counts, strict=True)]
        trace = collect([*passes, *references], plan, counters, lambda slices: judge(_of_one(slices, counts)), gate)
        slices = _of_one(trace.slices, counts)
        judge.check(slices)
    rounded = [[[round(run, 4) for run in one] for one in part] for part in slices]
    spent = {"dropped": trace.dropped, "seconds": trace.seconds, "waited_s": trace.waited_s}
    return {"keys": keys, "build_s": builds, "slices": rounded, "ahead": ahead, "load": load} | spent


def _while_loading(settings: LatencySettings) -> AbstractContextManager[None]:
    """The machine while models are loaded: it keeps a core busy, so it must not overlap another's measurement."""
    return MachineLock().training() if settings.device == "cpu" else MachineLock().measuring()


def _pass(run: Callable[[], None], count: int) -> Callable[[], None]:
    """Every picture once: a low quantile of single pictures would be the one with the fewest detections."""
    if count == 1:
        return run

    def through() -> None:
        for _ in range(count):
            run()

    return through


def _of_one(slices: Sequence[Slice], counts: Sequence[int]) -> list[Slice]:
    """Slices in which a model's times are of one picture, where its runs took several; the references come last."""
    if set(counts) == {1}:
        return list(slices)
    divisors = [*counts, 1, 1]
    return [tuple(tuple(run / by for run in runs) for runs, by in zip(one, divisors, strict=True)) for one in slices]


class _Judge:
    """Whether the slices so far say enough of every model, and whether what they say is an answer."""

    def __init__(self, plan: Plan, calibration: Calibration, sizes: Sequence[int], target_ms: float | None) -> None:
        self._plan, self._calibration, self._sizes = plan, calibration, sizes
        self._target_ms = target_ms if plan.stop_above_target else None

    def __call__(self, slices: Sequence[Slice]) -> bool:
        early = len(slices) < self._plan.min_slices
        if early and self._target_ms is None:
            return False
        estimates = fit(slices, self._calibration, self._sizes).estimates
        return all(
            self._above(one, _CLEARLY if early else 1.0)
            or (not early and (one.high_ms - one.low_ms) / 2 <= self._plan.aim * one.latency_ms)
            for one in estimates
        )

    def check(self, slices: Sequence[Slice]) -> None:
        found = fit(slices, self._calibration, self._sizes)
        for one in found.estimates:
            half = (one.high_ms - one.low_ms) / 2 / one.latency_ms
            if half > self._plan.refuse and not self._above(one, 1.0):
                raise Unmeasurable(
                    f"unmeasurable: the device is not steady: {len(slices)} slices give {one.latency_ms:.3g} ms "
                    f"±{half:.1%}, at most ±{self._plan.refuse:.0%} is accepted; stop other programs and try again"
                )

    def _above(self, estimate: LatencyEstimate, by: float) -> bool:
        return self._target_ms is not None and estimate.low_ms > by * self._target_ms


def _level(name: str) -> Level:
    return "screening" if name == "screening" else "finalist"


@contextmanager
def open_references(references: Sequence[SizedModel], settings: LatencySettings) -> Iterator[calibration.Runs]:
    plain = replace(settings, scope="compute")
    with ExitStack() as stack:
        compute, memory = (stack.enter_context(open_session(one.model, one.imgsz, plain)) for one in references)
        yield compute.run, memory.run


def _was_disturbed(found: Calibration, references: Sequence[SizedModel], settings: LatencySettings) -> bool:
    """Whether the device is clearly faster now than when it was calibrated."""
    with MachineLock().measuring(), open_references(references, settings) as runs, ahead_of_others(settings.threads):
        return calibration.clearly_faster(runs, probe(settings.threads), found)


def _observations(runs: Sequence[Callable[[], None]], settings: LatencySettings) -> list[dict[str, Any]]:
    found = []
    counters: Probe = probe(settings.threads)
    with MachineLock().measuring():
        for run in runs:
            seen = observe(run, settings.statistic, counters, settings.sustained_s)
            found.append(
                {
                    "latency_ms": seen.value_ms,
                    "low_ms": seen.low_ms,
                    "high_ms": seen.high_ms,
                    "runs": [round(one, 4) for one in seen.runs_ms],
                    "seconds": seen.seconds,
                }
            )
    return found
