"""A device in numbers: what slices look like when its clock and its memory are not what they were calibrated at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.latency.estimate import PROCESS_SD
from tests.latency.conftest import CALIBRATION

Range = tuple[float, float]


@dataclass(frozen=True)
class Device:
    """How a device behaves.

    Attributes:
        clock: Between which factors the processor is slower than calibrated; one draw a process.
        memory: Between which factors memory-bound work is slower than compute; one draw a slice.
        noise: Standard deviation of every figure, as a share.
        bursts: Share of slices in which each contestant is disturbed for itself, by a tenth on average.
        luck: Standard deviation of a model between processes, as a share.
    """

    clock: Range = (1.0, 1.3)
    memory: Range = (1.0, 1.1)
    noise: float = 0.004
    bursts: float = 0.05
    luck: float = PROCESS_SD

    def slices(
        self, rng: np.random.Generator, models: Sequence[tuple[float, float]], slices: int = 8, processes: int = 3
    ) -> tuple[NDArray[np.float64], list[int]]:
        """Figures (processes * slices, models + 2) in ms, and the process of each row.

        Args:
            rng: Draws all of it.
            models: Latency in ms and memory slope of each.
            slices: How many a process.
            processes: How many.
        """
        rows, home = [], []
        for process in range(processes):
            clock = rng.uniform(*self.clock)
            lucky = np.exp(self.luck * rng.standard_normal(len(models)))
            for _ in range(slices):
                memory = rng.uniform(*self.memory)
                times = [time * luck * memory**slope for (time, slope), luck in zip(models, lucky, strict=True)]
                row = np.array([*times, CALIBRATION.compute_ms, CALIBRATION.memory_ms * memory]) * clock
                row *= np.exp(self.noise * rng.standard_normal(len(row)))
                if rng.random() < self.bursts:
                    row *= 1 + rng.exponential(0.1, len(row))
                rows.append(row)
                home.append(process)
        return np.array(rows), home


def bytes_of(slope: float, latency_ms: float) -> int:
    """The file size from which a slope would be foretold."""
    foretold = CALIBRATION.prior_slope(CALIBRATION.memory_bytes, CALIBRATION.memory_ms)  # of MEMORY's own density
    return round(slope / foretold * latency_ms * CALIBRATION.memory_bytes / CALIBRATION.memory_ms)
