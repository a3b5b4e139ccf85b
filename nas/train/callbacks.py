"""What a full training does at Ultralytics' events: lock, losses, checks.

Importing this module registers the blocks with Ultralytics. A worker process of a training on several devices
imports it too, because the callbacks that it receives come from here.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from torch import distributed as dist

from nas.blocks.vanilla import ANNEALED_IN, anneal
from nas.errors import DataError
from nas.model import Losses, criterion, register
from nas.proxy import settle
from nas.util.machine_lock import MachineLock

register()

LOSS_WORDS = {"class_loss": "bce", "box_loss": "ciou"}
"""What is penalised, in our words of `ghostnas train`, with the default of each."""

LOSSES_FILE = "losses.yaml"
"""Lies beside Ultralytics' arguments, which have no word for it."""


class LockStepCallback:
    """Ultralytics callbacks that hold the machine lock around every training and validation batch.

    A latency measurement on this machine then waits for the batch in progress, and the next batch for the
    measurement. On several devices the first process takes the lock for the training batch of all: if each took it for
    itself, one would wait for the measurement, and the others, inside the batch, for that one.
    """

    def __init__(self, lock: MachineLock) -> None:
        """Make the callbacks.

        Args:
            lock: The machine's lock.
        """
        self._lock = lock
        self._held = ExitStack()

    def enter(self, _: object) -> None:
        """A batch begins. One that never ended (out of memory, tried again smaller) is let go first."""
        self._held.close()
        self._held.enter_context(self._lock.training())

    def leave(self, trainer: Any) -> None:
        """A batch ends, or the training does; the device has done all of it when the machine lock is let go."""
        _settle(trainer)
        self._held.close()

    def enter_together(self, trainer: Any) -> None:
        """A training batch begins, on every device."""
        if _rank() == 0:
            self.enter(trainer)
        _wait_for_all(trainer)

    def leave_together(self, trainer: Any) -> None:
        """A training batch ends, on every device."""
        _settle(trainer)
        _wait_for_all(trainer)
        self._held.close()

    def __getstate__(self) -> dict[str, Any]:
        """A worker process gets the machine lock, not the hold on it."""
        return {"_lock": self._lock}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore with nothing held."""
        self._lock = state["_lock"]
        self._held = ExitStack()

    def callbacks(self) -> dict[str, Callable[[object], None]]:
        """Each event's callback."""
        return {
            "on_train_batch_start": self.enter_together,
            "on_train_batch_end": self.leave_together,
            "on_val_batch_start": self.enter,
            "on_val_batch_end": self.leave,
            "teardown": self.leave,
        }


def _settle(trainer: Any) -> None:
    device = getattr(trainer, "device", None)
    if device is not None:
        settle(device)


def _rank() -> int:
    """The number of this process among those of a training on several devices; 0 where there is one."""
    return dist.get_rank() if dist.is_initialized() else 0


def _wait_for_all(trainer: Any) -> None:
    """Wait until every process of a training on several devices is here."""
    if dist.is_initialized():
        device = trainer.device
        dist.barrier(device_ids=[device.index] if device.type == "cuda" else None)


def anneal_activations(trainer: Any) -> None:
    """An epoch begins: over the first third of them, what VanillaNet merges later loses its activation."""
    share = (trainer.epoch + 1) / max(1, round(trainer.epochs * ANNEALED_IN))
    for model in (trainer.model, trainer.ema and trainer.ema.ema):
        if model is not None:
            anneal(_student(model), share)


def penalise(losses: Losses, trainer: Any) -> None:
    """The training begins: its loss is the one of choice (validation goes on reporting Ultralytics' own).

    The choice is kept beside Ultralytics' arguments, which have no word for it, for whoever resumes.
    """
    model = _student(trainer.model)
    updates = getattr(getattr(model, "criterion", None), "updates", None)
    model.criterion = criterion(model, losses)
    chosen = dict(zip(LOSS_WORDS, (losses.classes, losses.boxes), strict=True))
    (Path(trainer.save_dir) / LOSSES_FILE).write_text(yaml.safe_dump(chosen), encoding="utf-8")
    if updates is not None:  # resumed: as far as one-to-one branches had taken over
        model.criterion.updates = updates - 1
        model.criterion.update()


def _student(model: Any) -> Any:
    """The detector in training, which a distillation and a training on several devices wrap."""
    from ultralytics.utils.torch_utils import unwrap_model

    plain = unwrap_model(model)
    return getattr(plain, "student_model", plain)


def write_through(link: Path, trainer: Any) -> None:
    """The training is set up: it writes through a link that Ultralytics has followed, by whose path it can read.

    Args:
        link: A link to the folder of the trainings.
        trainer: Ultralytics' trainer.
    """
    trainer.save_dir = link / trainer.save_dir.relative_to(link.resolve())
    trainer.args.save_dir = str(trainer.save_dir)
    trainer.wdir = trainer.save_dir / "weights"
    trainer.last, trainer.best = trainer.wdir / "last.pt", trainer.wdir / "best.pt"
    trainer.csv = trainer.save_dir / "results.csv"


def check_kept(train: int, val: int, trainer: Any) -> None:
    """The data sets are made: Ultralytics must have kept every picture.

    Args:
        train: Pictures of train.
        val: Pictures of val.
        trainer: Ultralytics' trainer.

    Raises:
        DataError: It has left some out.
    """
    from ultralytics.data.base import get_split_fraction

    for part, loader, count in (("train", trainer.train_loader, train), ("val", trainer.test_loader, val)):
        share = get_split_fraction(trainer.args.fraction, part)
        wanted = min(share, count) if isinstance(share, int) else max(1, round(count * share))
        if len(loader.dataset) != wanted:
            raise DataError(
                f"Ultralytics keeps {len(loader.dataset)} of the {wanted} pictures of {part} in {trainer.args.data}; "
                "its lines above say which it left out and why"
            )
