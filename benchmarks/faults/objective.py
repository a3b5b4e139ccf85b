"""A search whose objective is a formula: only its machinery is on trial.

Latency and accuracy follow from the rough work of a design, without luck, so that every run that ends has the same
scores. Each call sleeps a little, as a training takes its time, and leaves a line in `calls.txt` of the results folder.
"""

import math
import os
import random
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from nas.architecture import Architecture
from nas.latency import (
    LOCAL,
    Latency,
    LatencyDevice,
    LatencySettings,
    SizedModel,
    prepare_reference,
    retry_while_disturbed,
)
from nas.latency.protocol.reference_nets import COMPUTE
from nas.proxy import ProxySettings, Score
from nas.search.effort import Rung
from nas.search.evaluate import Task
from nas.search.pending_trial import Promotion
from nas.search.progress import Progress
from nas.search.proposals import Proposer
from nas.search.scheduler import TrialScheduler
from nas.space import load_space, yolo11
from nas.study import (
    DataChoice,
    Evaluation,
    Limits,
    ProxyChoice,
    RungScore,
    SearchSettings,
    SpaceChoice,
    StartChoice,
    StoredStudy,
    storage_of,
)
from nas.study.evaluation import Verdict
from nas.surrogate.work import rough_work
from nas.util.worker_messages import post

TARGET_MS = 2.5
RUNGS = (Rung(20, 4), Rung(40, 2))
CALLS = "calls.txt"
HUNGRY = "trial-2"
"""The trial that takes memory, once, until its process is killed."""
_TAKEN_BYTES, _PIECE_BYTES = 8 * 2**30, 2**26
MEASURED_S = 0.4
"""How long a device measures a design: long enough to be killed meanwhile."""
_WORK_A_MS = 1.2e8
_BASELINES = {"yolo11n": yolo11("n", 160), "yolo11-scaled": yolo11("n", 160, 0.5), "ghostnetv2": yolo11("n", 96, 0.25)}


def evaluate(design: Architecture, task: Task, label: str = "", always_train: bool = False) -> Evaluation:
    """What is "measured" and "trained" of a design."""
    _called(task, f"evaluate {label}")
    ms = rough_work(design) / _WORK_A_MS
    latency = Latency(
        ms, 0.98 * ms, 1.02 * ms, 0.1, 1, (), (), {}, {}, "", task.latency, design.imgsz, "screening", {"model": label}
    )
    violations = task.limits.check(latency, 1000, 0.1, 4000)
    trained = always_train or not violations
    score = Score(accuracy(design), 0.5) if trained else None
    seconds = {"build": 0.1, "latency": 0.1, "proxy": 0.2}
    status: Verdict = "trained" if trained else "rejected"
    return Evaluation(design, status, violations, 1000, 0.1, "formula", 4000, latency, score, seconds)


def evaluate_in_need_of_memory(
    design: Architecture, task: Task, label: str = "", always_train: bool = False
) -> Evaluation:
    """The same; the worker of one trial, the first time, needs more memory than there is."""
    begun = task.folder / "hungry"
    if label == HUNGRY and not begun.exists():
        begun.touch()
        taken: list[bytes] = []
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if len(taken) * _PIECE_BYTES < _TAKEN_BYTES:
                taken.append(b"x" * _PIECE_BYTES)
            time.sleep(0.1)
    return evaluate(design, task, label, always_train)


def evaluate_measured(design: Architecture, task: Task, label: str = "", always_train: bool = False) -> Evaluation:
    """The same; before, the device of the search measures a small network, as a design of a real search."""

    def measured() -> Latency:
        _noted(task, f"measure {label}")
        return task.device.screen(_network(task.latency), task.limits.target_ms)

    retry_while_disturbed(measured, notice=lambda text: post(task.folder, f"{label}: {text}"))
    return evaluate(design, task, label, always_train)


def train_promoted(design: Architecture, task: Task, label: str, promotion: Promotion, baseline: bool) -> RungScore:
    """What a longer training gives."""
    _called(task, f"promoted {label} {promotion.steps}")
    return RungScore(Score(accuracy(design, promotion.steps), 0.5), promotion.steps, 0.5, 0.01)


def opened(
    folder: Path,
    budget: int,
    parallel: int,
    storage: str | None = None,
    place: str = LOCAL,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> tuple[StoredStudy, TrialScheduler, Task]:
    """The search of a folder, begun or gone on with.

    Args:
        folder: Results folder.
        budget: Candidates to train.
        parallel: Trials under way at once.
        storage: URL of the database for the study; None for where the folder has it.
        place: Where the device is that `evaluate_measured` asks.
        on_progress: Called after every change.
    """
    measured = LatencySettings(place=place, statistic="p50", sustained_s=MEASURED_S)
    space = load_space("ghostv2-n")
    settings = SearchSettings(
        SpaceChoice(space.name, space.digest, space.choices["imgsz"]),
        DataChoice("formula", "0", 6),
        Limits(TARGET_MS),
        measured,
        ProxyChoice("cpu", 10, 16, 0, rungs=tuple(rung.steps for rung in RUNGS)),
        "random",
        StartChoice(),
    )
    sizes = {one.name: len(one.choices) for one in space.dimensions}
    study = StoredStudy(
        folder,
        settings,
        sizes,
        storage=storage_of(folder, storage),
        notice=lambda text: print("ghostnas:", text, flush=True),
    )
    task = Task(settings.limits, LatencyDevice(measured), ProxySettings(), None, 1.0, 6, folder)
    proposer = Proposer(space, sampler="random", seed=0, limits=settings.limits)
    scheduler = TrialScheduler(
        study,
        proposer,
        budget=budget,
        parallel=parallel,
        baselines=_BASELINES,
        rungs=RUNGS,
        confirm=lambda _: {},
        on_progress=on_progress,
    )
    return study, scheduler, task


def accuracy(design: Architecture, steps: int = 0) -> float:
    """What a design scores after its proxy, or after so many steps of a rung."""
    return min(0.9, 0.1 + 0.1 * math.sqrt(rough_work(design) / 1e8) + 0.001 * steps)


@cache
def _network(settings: LatencySettings) -> SizedModel:
    return SizedModel(prepare_reference(COMPUTE, settings), COMPUTE.imgsz)


def _called(task: Task, what: str) -> None:
    _noted(task, what)
    time.sleep(random.uniform(0.05, 0.4))


def _noted(task: Task, what: str) -> None:
    with (task.folder / CALLS).open("a", encoding="utf-8") as file:
        file.write(f"{time.time():.3f} {os.getpid()} {what}\n")
