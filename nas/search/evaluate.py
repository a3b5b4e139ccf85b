"""One architecture, from its YAML to its score: build, count, measure, and train only what meets the limits."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nas.architecture import Architecture, to_yaml
from nas.data import ROUGHLY_QUANTISED_WITH, sample_pictures
from nas.errors import DataChanged
from nas.latency import Device, LatencySettings, SizedModel, prepare, retry_while_disturbed
from nas.latency.predictor import remember_features
from nas.proxy import ProxySettings, Score, Trained, at_best_rate
from nas.search.pending_trial import Promotion
from nas.study import Evaluation, Limits, RungScore, weights_file, weights_name, write_text, write_weights
from nas.util.machine_lock import MachineLock
from nas.util.worker_messages import post

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from nas.data import DetectionData


@dataclass(frozen=True, slots=True)
class Task:
    """How every architecture of a search is evaluated; picklable, so that it travels to workers.

    Attributes:
        limits: What a candidate must meet.
        device: Where and how latency is measured, with one calibration for the whole search.
        proxy: How proxies train.
        data: Data YAML, or None for the embedded set.
        fraction: Share of the training pictures.
        classes: Number of classes.
        folder: Results folder; YAMLs and proxy weights go to its `models/`.
        data_digest: Of the data with which the search began; None where any will do.
        source: File of the tuned source whose channels proxies begin with; None from scratch.
        baseline_lrs: Learning rates of which a baseline trains at each and keeps the best; empty for the proxy's alone.
    """

    limits: Limits
    device: Device
    proxy: ProxySettings
    data: str | None
    fraction: float
    classes: int
    folder: Path
    data_digest: str | None = None
    source: Path | None = None
    baseline_lrs: tuple[float, ...] = ()

    @property
    def latency(self) -> LatencySettings:
        """How latency is measured."""
        return self.device.settings


Evaluator = Callable[[Architecture, Task, str, bool], Evaluation]


Screen = Callable[[Architecture, Task, str], Evaluation]


TrainScreened = Callable[[Evaluation, Task, str, bool], Evaluation]


TrainAgain = Callable[[Architecture, Task, int], Score]


TrainPromoted = Callable[[Architecture, Task, str, Promotion, bool], RungScore]


_SEEDS_APART = 1000
"""Between the seeds of a design's replicates, so that searches with neighbouring seeds share none."""


def data_of(task: Task) -> "DetectionData":
    """The data set of a search, as it was when the search began.

    Raises:
        DataChanged: Its pictures, labels or class names are others now.
    """
    from nas.data import load

    data = load(task.data, fraction=task.fraction)
    if task.data_digest not in (None, data.digest):
        raise DataChanged(
            f"{data.source} was changed while the search ran (digest {data.digest}, {task.data_digest} before), and "
            "scores of both do not compare; put the data back, or search anew"
        )
    return data


def measure_only(architecture: Architecture, task: Task) -> Evaluation:
    """Build, count and measure an architecture, without training it.

    Raises:
        ModelError: It cannot be built, counted or exported.
        LatencyError: Its latency could not be measured.
    """
    return screen(architecture, task, "a known design")


def evaluate(architecture: Architecture, task: Task, label: str, always_train: bool = False) -> Evaluation:
    """Evaluate an architecture: measure it, and train a proxy when it meets every limit.

    The model's YAML and the proxy's weights are written to `models/<label>.yaml` and `models/<label>.pt` of the
    results folder.

    Args:
        architecture: The design.
        task: How to evaluate.
        label: File stem, such as `trial-7`.
        always_train: Train also a design that misses a limit (baselines).

    Raises:
        ModelError: It cannot be built, counted or exported.
        LatencyError: Its latency could not be measured.
        ProxyError: Its proxy gave no usable score.
        DataChanged: The data set is not the one with which the search began.
        StorageError: The results folder cannot be written, or its disk is full.
    """
    screened = screen(architecture, task, label)
    if screened.violations and not always_train:
        return screened
    return train_screened(screened, task, label, always_train)


def train_screened(screened: Evaluation, task: Task, label: str, baseline: bool = False) -> Evaluation:
    """Train the proxy of a design that was measured already; the second half of `evaluate`.

    Args:
        screened: What was measured (`screen`).
        task: How to evaluate.
        label: File stem, such as `trial-7`.
        baseline: Whether it is a baseline, which trains at each of `baseline_lrs`.

    Raises:
        ProxyError: Its proxy gave no usable score.
        DataChanged: The data set is not the one with which the search began.
        StorageError: The results folder cannot be written, or its disk is full.
    """
    started = time.monotonic()
    trained = _train(screened.architecture, task, label, baseline=baseline)
    write_text(task.folder / "models" / f"{label}.yaml", to_yaml(screened.architecture, task.classes))
    write_weights(weights_file(task.folder, weights_name(label)), trained.model)
    seconds = {**screened.seconds, "proxy": time.monotonic() - started}
    return replace(screened, status="trained", score=trained.result.score, seconds=seconds, inherited=trained.inherited)


def begun(architecture: Architecture, task: Task, *, taught: bool = False) -> "tuple[nn.Module, float | None]":
    """A design's model as its training begins.

    Args:
        architecture: The design.
        task: How to evaluate.
        taught: Whether stages of another family than the source's learn its maps first.

    Returns:
        The model, and the share of its parameters that were inherited; None from scratch.

    Raises:
        ModelError: It cannot be built, or nothing of the source fits.
        DataError: The pictures cannot be read.
        StorageError: The source's file is gone.
    """
    from nas.model import build

    with MachineLock().training():  # a build keeps a core busy, so it must not overlap another worker's measurement
        model = build(to_yaml(architecture, task.classes), seed=task.proxy.seed)
    if task.source is None:
        return model, None
    from nas.inherit import TAUGHT_STEPS, begin

    steps = TAUGHT_STEPS if taught else 0
    return model, begin(model, task.source, data_of(task), architecture.imgsz, steps, MachineLock())


def train_again(architecture: Architecture, task: Task, number: int) -> Score:
    """Train another proxy of a design that was evaluated already, with another seed.

    Args:
        architecture: The design.
        task: How to evaluate.
        number: Number of the replicate, from 1; it changes the weights and the order of the pictures.

    Raises:
        ProxyError: The proxy gave no usable score.
        DataChanged: The data set is not the one with which the search began.
    """
    seed = task.proxy.seed + _SEEDS_APART * number
    seeded = replace(task, proxy=replace(task.proxy, seed=seed))
    return _train(architecture, seeded, f"replicate {number}").result.score


def train_weights(architecture: Architecture, task: Task, label: str, baseline: bool = False) -> None:
    """Train another proxy of a design whose weights are gone, from where the first began; `models/<label>.pt` has it.

    Args:
        architecture: The design.
        task: How to evaluate.
        label: File stem, such as `trial-7`.
        baseline: Whether it is a baseline, which trains at each of `baseline_lrs`.

    Raises:
        ProxyError: The training gave no usable score.
        DataChanged: The data set is not the one with which the search began.
        StorageError: The results folder cannot be written, or its disk is full.
    """
    trained = _train(architecture, task, label, baseline=baseline)
    write_weights(weights_file(task.folder, weights_name(label)), trained.model)


def train_promoted(
    architecture: Architecture, task: Task, label: str, promotion: Promotion, baseline: bool = False
) -> RungScore:
    """Train a design that was evaluated already for as many steps as a rung has, from where its proxy began.

    The weights are written to `models/<label>-<steps>.pt` of the results folder, whole or not at all.

    Args:
        architecture: The design.
        task: How to evaluate.
        label: File stem, such as `trial-7`.
        promotion: The rung's steps, and the learning rate where it is known.
        baseline: Whether it is a baseline, which trains at each of `baseline_lrs` where no rate is known.

    Raises:
        ProxyError: The training gave no usable score.
        DataChanged: The data set is not the one with which the search began.
        StorageError: The results folder cannot be written, or its disk is full.
    """
    started = time.monotonic()
    longer = replace(task, proxy=task.proxy.longer(promotion.steps))
    trained = _train(architecture, longer, label, baseline=baseline, taught=True, lr=promotion.lr)
    write_weights(weights_file(task.folder, weights_name(label, promotion.steps)), trained.model)
    return RungScore(trained.result.score, promotion.steps, time.monotonic() - started, trained.lr)


def _train(
    architecture: Architecture,
    task: Task,
    label: str,
    *,
    baseline: bool = False,
    taught: bool = False,
    lr: float | None = None,
) -> Trained:
    """Train a design from its beginning; at a known rate, or a baseline at the best of its learning rates."""
    from nas.proxy import train_proxy

    data = data_of(task)

    def train(lr: float) -> Trained:
        model, share = begun(architecture, task, taught=taught)
        result, trained = train_proxy(model, data, architecture.imgsz, replace(task.proxy, lr=lr), MachineLock())
        return Trained(result, trained, lr, share)

    rates = (lr,) if lr is not None else (baseline and task.baseline_lrs) or (task.proxy.lr,)
    return at_best_rate(rates, train, lambda why: post(task.folder, f"{label}: {why}"))


def screen(architecture: Architecture, task: Task, label: str) -> Evaluation:
    """Build, count and measure an architecture, and check it against the limits; the first half of `evaluate`.

    Args:
        architecture: The design.
        task: How to evaluate.
        label: What messages call it.

    Raises:
        ModelError: It cannot be built, counted or exported.
        LatencyError: Its latency could not be measured.
    """
    from nas.model import build, count, to_onnx

    started = time.monotonic()
    with MachineLock().training():  # a build keeps a core busy, so it must not overlap another worker's measurement
        model = build(to_yaml(architecture, task.classes), seed=task.proxy.seed)
        counts = count(model, architecture.imgsz)
        onnx = to_onnx(model, architecture.imgsz)
        remember_features(architecture, task.classes, onnx)  # what the latencies of other designs are predicted from
        pictures = calibration_pictures(task, architecture.imgsz, ROUGHLY_QUANTISED_WITH)
        artefact = prepare(model, architecture.imgsz, task.latency, pictures, onnx)
    built = time.monotonic()
    subject = SizedModel(artefact, architecture.imgsz)
    latency = retry_while_disturbed(
        lambda: task.device.screen(subject, task.limits.target_ms),
        notice=lambda text: post(task.folder, f"{label}: {text}"),
    )
    violations = task.limits.check(latency, counts.params, counts.gflops, len(onnx))
    return Evaluation(
        architecture=architecture,
        status="rejected",
        violations=violations,
        params=counts.params,
        gflops=counts.gflops,
        counting_rule=counts.rule,
        onnx_bytes=len(onnx),
        latency=latency,
        score=None,
        seconds={"build": built - started, "latency": time.monotonic() - built},
    )


def calibration_pictures(task: Task, imgsz: int, count: int) -> "NDArray[np.float32] | None":
    """Training pictures to quantise with, (N, 3, imgsz, imgsz) float32 in [0, 1]; None where nothing is quantised."""
    if task.latency.precision != "int8":
        return None
    return sample_pictures(task.data, imgsz, count, "train", task.fraction)
