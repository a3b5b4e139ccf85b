"""What a proxy training is asked for, and what it gives back. Standard library only."""

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from nas.errors import UsageError
from nas.model import Losses

DEFAULT_STEPS = 45


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """How a proxy trains. The length is counted in steps, never in seconds.

    A limit in seconds would give small networks more steps than large ones, and turns the ranking round.

    Attributes:
        steps: Optimiser steps.
        batch: Pictures a step.
        lr: Peak learning rate of AdamW, of layers with `lr_inputs` inputs a unit.
        lr_inputs: Layers with n inputs a unit learn at `lr` times the root of `lr_inputs` / n. The more inputs, the
            smaller are fresh weights, and Adam moves all weights as far; so every layer moves by the same share of its
            weights, and wide layers get no head start. None: all layers learn at `lr`.
        seed: Seed of the order of the pictures and of the augmentation (the weights' seed is the builder's).
        threads: Torch threads; with one thread on a CPU the same seed gives the same bits.
        device: `cpu`, `cuda` or `cuda:N`.
        horizon: Length of the learning rate's course, in trainings, at least 1. At 2 a training is the first half of
            one that is twice as long: it ranks as well as the whole (docs/development/proxy-figures.md). At 1 the rate
            falls to its end.
        warmup: Share of the course in which the learning rate rises linearly.
        final_lr: Learning rate at the end of the course, as a share of `lr`; between the two it follows a cosine.
        weight_decay: Weight decay of AdamW, on convolution weights only.
        clip: Largest norm of the gradients.
        augment: Share of the pictures changed in size, place and colour, from 0 (mirrored only) to 1;
            None takes the passes over the pictures in the whole course divided by 40: a short training sees no picture
            often enough to learn it by heart, and learns faster from pictures as they are.
        ema: Decay of the averaged weights, reached as `1 - exp(-step / ema_tau)`.
        ema_tau: Steps in which the average's memory grows.
        recalibration: Training pictures from which the BatchNorm statistics are taken anew before the score.
        first_boxes: Cells from the centre to the sides of the boxes that an untrained model predicts, so that heads of
            every `reg_max` begin alike (nas/proxy/box_init.py); None leaves Ultralytics' beginning.
        precision: `auto` (bfloat16 where the device computes in it, else float32), `float32` or `bfloat16`.
        losses: What is penalised.
        teacher: Path of an Ultralytics checkpoint that teaches the model (distillation), or None.
    """

    steps: int = DEFAULT_STEPS
    batch: int = 16
    lr: float = 0.012
    lr_inputs: float | None = 256.0
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    horizon: float = 2.0
    warmup: float = 0.2
    final_lr: float = 0.02
    weight_decay: float = 5e-4
    clip: float = 10.0
    augment: float | None = None
    ema: float = 0.998
    ema_tau: float = 60.0
    recalibration: int = 128
    first_boxes: float | None = 1.5
    precision: str = "auto"
    losses: Losses = field(default_factory=Losses)
    teacher: str | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        for name in ("steps", "batch", "threads", "recalibration"):
            value = getattr(self, name)
            if value < 1:
                raise UsageError(f"proxy setting `{name}` must be at least 1, got {value}")
        for name in ("lr", "lr_inputs", "clip", "ema_tau", "first_boxes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"proxy setting `{name}` must be above zero, got {value}")
        for name in ("warmup", "final_lr", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"proxy setting `{name}` must lie in [0, 1), got {getattr(self, name)}")
        if not self.horizon >= 1:
            raise UsageError(f"proxy setting `horizon` must be at least 1, got {self.horizon}")
        if self.augment is not None and not 0 <= self.augment <= 1:
            raise UsageError(f"proxy setting `augment` must lie in [0, 1], got {self.augment}")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise UsageError(f"proxy setting `precision` must be auto, float32 or bfloat16, got {self.precision!r}")

    @property
    def course(self) -> int:
        """Steps of the learning rate's whole course."""
        return round(self.steps * self.horizon)

    def with_steps(self, steps: int) -> Self:
        """The same settings with another length."""
        return replace(self, steps=steps)

    def longer(self, steps: int) -> Self:
        """The same settings for a training at a rung: so many steps, in which the learning rate falls to its end.

        Args:
            steps: Steps of the rung.
        """
        return replace(self, steps=steps, horizon=1.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


FINE_TUNING = ProxySettings(steps=60, lr=0.006, lr_inputs=None, horizon=1.0, warmup=0.1, first_boxes=None)
"""How a model trains that begins with trained weights: at half the rate of fresh ones, the same in all layers."""

BASELINE_RATES = (FINE_TUNING.lr, 0.002)
"""Learning rates of which a baseline that starts from a checkpoint trains at each; the better one counts."""

SOURCE_STEPS = 600
"""For how long a source is tuned on the user's data before designs inherit from it."""

SELF_STEPS = 1200
"""For how long a source is trained on the user's data that begins with fresh weights."""


@dataclass(frozen=True, slots=True)
class Score:
    """How well a model detects: mean average precision in original-image coordinates, each in [0, 1].

    Attributes:
        map50_95: Mean over the IoU thresholds 0.50, 0.55, ..., 0.95.
        map50: At the IoU threshold 0.50.
    """

    map50_95: float
    map50: float


@dataclass(frozen=True, slots=True)
class ProxyResult:
    """What a proxy training gave.

    Attributes:
        score: The score of the averaged weights on the selection part of the training pictures.
        steps: Steps trained.
        seconds: Wall time of the whole: training, recalibration and score.
        train_loss: Mean loss a picture (box + class + DFL) over the last tenth of the steps.
        precision: What the training computed in, `float32` or `bfloat16`.
        settings: The settings it was asked with.
    """

    score: Score
    steps: int
    seconds: float
    train_loss: float
    precision: str
    settings: ProxySettings


def steps_for_epochs(epochs: float, pictures: int, batch: int) -> int:
    """Steps of so many passes over the training pictures, at least 1.

    Args:
        epochs: Passes over the training pictures, above zero.
        pictures: Training pictures: `len(data.train)`, after `--fraction` and without the selection part.
        batch: Pictures a step.

    Raises:
        UsageError: `epochs` is not a number above zero.
    """
    if not 0 < epochs < math.inf:
        raise UsageError(f"epochs must be a number above zero, got {epochs:g}")
    return max(1, round(epochs * pictures / batch))
