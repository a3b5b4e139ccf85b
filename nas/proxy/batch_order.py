"""Which pictures each step of a training sees."""

import torch
from torch import Tensor


class Order:
    """Shuffled passes over the pictures, cut into batches without regard to where a pass ends.

    Attributes:
        waiting: What is left of the pass that was begun.
    """

    def __init__(self, pictures: int, batch: int, random: torch.Generator) -> None:
        """Begin.

        Args:
            pictures: Training pictures.
            batch: Pictures a step.
            random: What shuffles them.
        """
        self._pictures, self._batch, self._random = pictures, batch, random
        self.waiting = torch.empty(0, dtype=torch.int64)

    def next(self) -> Tensor:
        """The pictures of the next step, (batch,) int64."""
        while len(self.waiting) < self._batch:
            self.waiting = torch.cat([self.waiting, torch.randperm(self._pictures, generator=self._random)])
        chosen, self.waiting = self.waiting[: self._batch], self.waiting[self._batch :]
        return chosen
