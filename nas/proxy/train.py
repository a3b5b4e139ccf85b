"""A short training, in this process: a lean loop around Ultralytics' detection loss.

No trainer, no files, no second validation: pictures come from memory, the steps are counted, and one score on
the selection part ends it.
"""

import math
import time
from collections.abc import Callable

import torch
from torch import nn

from nas.blocks.vanilla import ANNEALED_IN, anneal
from nas.data import DetectionData, Pixels, pixels
from nas.errors import ProxyError
from nas.proxy.augment import augmented, kept_on
from nas.proxy.batch_order import Order
from nas.proxy.box_init import begin_with_boxes
from nas.proxy.device import TrainingLock, find_device, find_precision, passing
from nas.proxy.ema import AveragedWeights, recalibrate
from nas.proxy.fast_depthwise import quick_depthwise
from nas.proxy.loss import Objective
from nas.proxy.memory import enough_memory, release
from nas.proxy.resume_state import StateFile, TrainingState
from nas.proxy.settings import ProxyResult, ProxySettings
from nas.proxy.validation import check_classes, validate  # also prepares Ultralytics for offline use
from nas.util.torch_threads import threads

Observe = Callable[[int, nn.Module], None]

_ALL_CHANGED = 40.0  # passes over the pictures from which on every picture is changed
_LOSS_TAIL = 0.1  # share of the steps over which the final loss is averaged


def train_proxy(
    model: nn.Module,
    data: DetectionData,
    imgsz: int,
    settings: ProxySettings,
    lock: TrainingLock | None = None,
    observe: Observe | None = None,
    kept: StateFile | None = None,
) -> tuple[ProxyResult, nn.Module]:
    """Train a model for a few steps and score it on the selection part.

    With one thread on a CPU the same model, data and settings give the same bits. No global random state is
    used.

    Args:
        model: A detection model for the data's classes, with the weights that it begins with; it is trained in place.
        data: The data set.
        imgsz: Side of the square input.
        settings: How to train.
        lock: Passed with every batch, so that nothing computes while a latency is measured.
        observe: Called after every step with how many there have been, and with the model of averaged weights (its
            BatchNorm statistics are not theirs; it must not be changed).
        kept: Where the state is kept, so that the same call goes on after it was broken off; whoever needs it no more
            drops it. None keeps nothing.

    Returns:
        The result, and the model with averaged weights and recalibrated BatchNorm, in evaluation mode on the
        CPU.

    Raises:
        ProxyError: The loss or the outputs are not finite, or memory ran out.
        DataError: The pictures cannot be read or do not fit into memory.
        ModelError: The teacher cannot be loaded.
        UsageError: The teacher cannot teach this model.
        StorageError: The state cannot be written.
    """
    check_classes(model, data)
    device = find_device(settings.device)
    doing = f"a training at batch {settings.batch} and {imgsz} px"
    try:
        with threads(settings.threads), enough_memory(doing, device):
            return trained(model, data, imgsz, settings, device, lock, observe, kept)
    finally:
        release(device)


def learning_rate(step: int, settings: ProxySettings) -> float:
    """The learning rate of a step (from 0): a linear rise, then a cosine down to `final_lr` at the end of the course.

    Args:
        step: Number of the step.
        settings: How to train.
    """
    rise = max(1, round(settings.warmup * settings.course))
    if step < rise:
        return settings.lr * (step + 1) / rise
    done = (step - rise + 1) / max(1, settings.course - rise)
    return settings.lr * (settings.final_lr + (1 - settings.final_lr) * (1 + math.cos(math.pi * done)) / 2)


def changed_share(pictures: int, settings: ProxySettings) -> float:
    """The share of the pictures that are changed in size, place and colour.

    Args:
        pictures: Training pictures.
        settings: How to train.
    """
    if settings.augment is not None:
        return settings.augment
    return min(1.0, settings.course * settings.batch / pictures / _ALL_CHANGED)


def trained(
    model: nn.Module,
    data: DetectionData,
    imgsz: int,
    settings: ProxySettings,
    device: torch.device,
    lock: TrainingLock | None,
    observe: Observe | None,
    kept: StateFile | None,
) -> tuple[ProxyResult, nn.Module]:
    """The whole proxy; what it holds on the device ends with it."""
    precision = find_precision(settings.precision, device)
    started = time.monotonic()
    source = kept_on(pixels(data.train, imgsz), device)
    if settings.first_boxes is not None:
        begin_with_boxes(model, settings.first_boxes)
    model.train().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = AveragedWeights(model, settings.ema, settings.ema_tau)
    objective = Objective(model, imgsz, settings, device, precision)
    with quick_depthwise(model, device, precision):
        loss = _train(model, objective, average, source, settings, lock, observe, kept)
    final = average.model
    recalibrate(final, source, settings.recalibration, settings.batch, device, precision, lock)
    score = validate(final, data.select, data, imgsz, device=settings.device, lock=lock)
    result = ProxyResult(score, settings.steps, time.monotonic() - started, loss, precision, settings)
    return result, final.cpu()


def _train(
    model: nn.Module,
    objective: Objective,
    average: AveragedWeights,
    source: Pixels,
    settings: ProxySettings,
    lock: TrainingLock | None,
    observe: Observe | None,
    kept: StateFile | None,
) -> float:
    """All steps; the mean loss a picture over the last of them."""
    parameters = [parameter for parameter in objective.learner.parameters() if parameter.requires_grad]
    optimizer = optimizer_of(objective.learner, settings)
    random = torch.Generator().manual_seed(settings.seed)
    share = changed_share(len(source), settings)
    order = Order(len(source), settings.batch, random)
    course = TrainingState(objective.learner, average, optimizer, random, order, [])
    done = 0 if kept is None else kept.restore(course)
    for _ in range(done):
        objective.stepped()
    for step in range(done, settings.steps):
        chosen = order.next()
        with passing(lock, objective.device):
            anneal(model, (step + 1) / max(1, round(settings.steps * ANNEALED_IN)))
            set_learning_rate(optimizer, learning_rate(step, settings))
            loss = objective(augmented(source, chosen, random, objective.device, share))
            loss.backward()  # type: ignore[no-untyped-call]
            descend(parameters, optimizer, settings.clip)
            average.update()
            objective.stepped()
            value = float(loss.detach())  # not before the way back: a GPU would wait for that to be queued
            if not math.isfinite(value):
                raise ProxyError(f"the training loss became {value} at step {step + 1} of {settings.steps}")
        if step >= settings.steps - max(1, round(_LOSS_TAIL * settings.steps)):
            course.losses.append(value / settings.batch)
        if kept is not None:
            kept.save(step + 1, course, now=step + 1 == settings.steps)
        if observe is not None:
            observe(step + 1, average.model)
    return sum(course.losses) / len(course.losses)


def descend(parameters: list[nn.Parameter], optimizer: torch.optim.Optimizer, clip: float) -> None:
    """One step along the gradients, their norm clipped; they are forgotten."""
    torch.nn.utils.clip_grad_norm_(parameters, clip, foreach=True)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def optimizer_of(model: nn.Module, settings: ProxySettings) -> torch.optim.Optimizer:
    """Fused AdamW with a group of parameters a learning rate; weight decay on kernels, none on biases and norms."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            decay = settings.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((decay, _pace(parameter, settings.lr_inputs)), []).append(parameter)
    asked = [{"params": some, "weight_decay": decay, "pace": pace} for (decay, pace), some in groups.items()]
    return torch.optim.AdamW(asked, lr=settings.lr, betas=(0.9, 0.999), fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group its learning rate.

    Args:
        optimizer: One of `optimizer_of`.
        lr: Of layers with `lr_inputs` inputs.
    """
    for group in optimizer.param_groups:
        group["lr"] = lr * group["pace"]


def _pace(parameter: nn.Parameter, lr_inputs: float | None) -> float:
    """A parameter's share of the learning rate: kernels of few inputs have large weights and take large steps."""
    if lr_inputs is None or parameter.ndim == 1:
        return 1.0
    return math.sqrt(lr_inputs / parameter[0].numel())
