"""Measuring on this machine, in this process."""

from collections.abc import Mapping
from typing import Any

from nas.latency.machine import fingerprint, probe
from nas.latency.protocol import PLANS, time_runs
from nas.latency.runtimes import open_session, runtime_version
from nas.latency.session import check_finite
from nas.latency.values import SCOPE, Latency, LatencySettings, Level, Subject
from nas.turnstile import Turnstile


def key(model_digest: str, imgsz: int, settings: LatencySettings) -> Mapping[str, Any]:
    """Everything that a latency on this machine hangs on.

    Raises:
        RuntimeMissing: The runtime is not installed.
    """
    return {
        "model": model_digest,
        "device": fingerprint(settings.device),
        "runtime": settings.runtime,
        "runtime_version": runtime_version(settings.runtime),
        "threads": settings.threads,
        "precision": settings.precision,
        "input_shape": [1, 3, imgsz, imgsz],
        "scope": SCOPE,
    }


def measure(
    subject: Subject,
    settings: LatencySettings,
    *,
    level: Level = "screening",
    target_ms: float | None = None,
    turnstile: Turnstile | None = None,
) -> Latency:
    """Measure a model's latency in this process, while no training step runs on this machine.

    The session is opened and its outputs are checked before the turnstile closes, so trainings wait only for
    the warm-up and the timed runs.

    Args:
        subject: The fused model.
        settings: Runtime, precision, threads, device.
        level: `screening` (±2%, about a second) or `finalist` (±1%, about five).
        target_ms: The latency limit; a screening ends early once the whole interval lies above it.
        turnstile: What keeps trainings out; by default the machine's one turnstile.

    Raises:
        RuntimeMissing: The runtime is not installed.
        LatencyError: The model does not run, or the machine is too disturbed for a number.
    """
    gatekeeper = turnstile or Turnstile()
    with open_session(subject, settings) as session:
        check_finite(session)
        with gatekeeper.measuring():
            outcome = time_runs(session.run, PLANS[level], probe(settings.threads), target_ms)
    return Latency(
        latency_ms=outcome.latency_ms,
        low_ms=outcome.low_ms,
        high_ms=outcome.high_ms,
        seconds=outcome.seconds,
        blocks=outcome.blocks,
        dropped=outcome.dropped,
        settings=settings,
        imgsz=subject.imgsz,
        level=level,
        key=dict(key(subject.digest, subject.imgsz, settings)),
    )
