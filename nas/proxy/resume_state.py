"""The state of a training on disk, so that one that was broken off goes on from there and ends with the same bits."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas.proxy.batch_order import Order
from nas.proxy.ema import AveragedWeights
from nas.util.atomic_files import torch_bytes, write_whole


@dataclass(frozen=True, slots=True, eq=False)
class TrainingState:
    """Everything of a training that changes from step to step.

    Attributes:
        learner: What is trained.
        average: Its averaged weights.
        optimizer: The optimiser.
        random: What draws the augmentation and the order.
        order: The pictures of the steps.
        losses: Of the last steps, a picture.
    """

    learner: nn.Module
    average: AveragedWeights
    optimizer: torch.optim.Optimizer
    random: torch.Generator
    order: Order
    losses: list[float]

    def state(self) -> dict[str, Any]:
        """Plain values and tensors."""
        return {
            "learner": self.learner.state_dict(),
            "average": self.average.state(),
            "optimizer": self.optimizer.state_dict(),
            "random": self.random.get_state(),
            "waiting": self.order.waiting,
            "losses": list(self.losses),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`; every object stays the same, its content changes."""
        self.learner.load_state_dict(state["learner"])
        self.average.restore(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.random.set_state(state["random"].cpu())
        self.order.waiting = state["waiting"]
        self.losses[:] = state["losses"]


class StateFile:
    """Where a training keeps its state."""

    def __init__(self, path: Path, every_s: float = 20.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin.

        Args:
            path: The file; whoever wants a training of its own names another.
            every_s: Seconds between two states.
            clock: Seconds.
        """
        self._path, self._every_s, self._clock = path, every_s, clock
        self._last = clock()

    def restore(self, course: TrainingState) -> int:
        """Take a training up where its file says.

        Args:
            course: The training, freshly begun.

        Returns:
            Steps that were done; 0 where there is no file, or none that can be read.
        """
        try:
            content = torch.load(self._path, map_location="cpu", weights_only=True)
        except Exception:  # a torn pickle may raise anything; it costs the time of its steps alone
            return 0
        course.restore(content["course"])
        return int(content["steps"])

    def save(self, steps: int, course: TrainingState, *, now: bool = False) -> None:
        """Keep the state, if the last one is old enough.

        Args:
            steps: Steps that are done.
            course: The training.
            now: Whether to keep it however old the last one is.

        Raises:
            StorageError: The file cannot be written.
        """
        if not now and self._clock() - self._last < self._every_s:
            return
        write_whole(self._path, torch_bytes({"steps": steps, "course": course.state()}))
        self._last = self._clock()

    def drop(self) -> None:
        """Delete the file: what the training made is kept elsewhere."""
        self._path.unlink(missing_ok=True)
