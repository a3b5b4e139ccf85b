"""Do the reference networks steady a latency on a GPU? Spread of raw times, of times over COMPUTE, of estimates."""

import io
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

import torch
from findings import started

from nas.errors import LatencyError
from nas.latency import COMPUTE, Calibration, LatencySettings, open_session, prepare, prepare_reference
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.latency.protocol.collect import Trace, collect, pooled_figures
from nas.latency.protocol.estimate import fit
from nas.latency.protocol.plan import Plan
from nas.latency.protocol.probe import ahead_of_others, probe
from nas.latency.protocol.reference_nets import MEMORY, Reference, reference_module, reference_onnx
from nas.model import load_model

check = started(5)
WIDE = Reference(1.0, 64) if check.dry else Reference(4.0, 640)
REPEATS, SECONDS = (2, 0.3) if check.dry else (5, 1.5)
NO_LIMIT = float("inf")
PLAN = Plan(0.0, 1.0, SECONDS, 4 * SECONDS, 0.3, NO_LIMIT, NO_LIMIT, stop_above_target=False)


def wide() -> ModelBytes:
    """A reference of a millisecond on a large GPU."""
    file = io.BytesIO()
    torch.save({"model": reference_module(WIDE)}, file)
    return ModelBytes("pt", file.getvalue())


def spread(values: list[float]) -> float:
    """The coefficient of variation in percent."""
    return round(100 * statistics.stdev(values) / statistics.mean(values), 3)


def traced(runs: Sequence[Callable[[], None]], runtime: str) -> Trace:
    """One repeat; where the protocol refuses the device, a finding, and a repeat that drops no run as preempted."""
    try:
        return collect(runs, PLAN, probe(1), lambda slices: False)
    except LatencyError as error:
        check.note(f"the protocol refuses the device, {runtime}", str(error))
        return collect(runs, PLAN, replace(probe(1), cpu_ns=None), lambda slices: False)


model = load_model("yolo11n.yaml")
sizes = (64, 96) if check.dry else (160, 640)
for runtime in ("torch",) if check.dry else ("torch-cudagraph", "torch"):
    settings = LatencySettings(runtime, device=check.device)
    files = {f"yolo11n-{size}": (prepare(model, size, settings), size) for size in sizes}
    files[f"wide reference, {WIDE.name}"] = (wide(), WIDE.imgsz)
    with ExitStack() as stack:
        everything = [*files.values(), *((prepare_reference(one, settings), one.imgsz) for one in (COMPUTE, MEMORY))]
        runs = [stack.enter_context(open_session(file, size, settings)).run for file, size in everything]
        stack.enter_context(ahead_of_others(settings.threads))
        traces = [traced(runs, runtime) for _ in range(REPEATS)]
    figures = [pooled_figures(trace.slices) for trace in traces]
    compute, memory = (statistics.median(float(one[index]) for one in figures) for index in (-2, -1))
    for name, index in (("COMPUTE", -2), ("MEMORY", -1)):
        raw = [float(one[index]) for one in figures]
        check.note(f"{name}, {runtime}", round(statistics.median(raw), 4), "ms", cv_percent=spread(raw))
    calibration = Calibration(compute, memory, len(reference_onnx(MEMORY)), 0.0, "of this run")
    fits = [fit(trace.slices, calibration, [len(file.data) for file, _ in files.values()]) for trace in traces]
    for index, name in enumerate(files):
        raw = [float(one[index]) for one in figures]
        over = [float(one[index] / one[-2]) for one in figures]
        on_wide = [float(one[index] / one[len(files) - 1]) for one in figures]
        told = [one.estimates[index] for one in fits]
        half = statistics.median((one.high_ms - one.low_ms) / 2 / one.latency_ms for one in told)
        check.note(
            f"{name}, {runtime}",
            round(statistics.median(raw), 4),
            "ms",
            raw_cv_percent=spread(raw),
            over_compute_cv_percent=spread(over),
            over_wide_cv_percent=spread(on_wide),
            estimate_cv_percent=spread([one.latency_ms for one in told]),
            half_interval_percent=round(100 * half, 2),
            slope=round(statistics.median(one.slope for one in told), 3),
        )
    check.note(f"runs that were dropped, {runtime}", [trace.dropped for trace in traces], "by cause")
