"""A device in numbers: what slices look like when its clock and its memory are not what they were calibrated at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.latency.protocol.collect import Slice
from nas.latency.protocol.estimate import PROCESS_SD
from tests.latency.conftest import CALIBRATION

Range = tuple[float, float]


@dataclass(frozen=True)
class Device:
    """How a device behaves.

    Attributes:
        clock: Between which factors the processor is slower than calibrated; one draw a process.
        memory: Between which factors memory-bound work is slower than compute; one draw a slice.
        flutter: By how much the memory is slower still while one contestant runs in one slice; the scale of a
            half-normal distribution, as a share.
        noise: Standard deviation of every run, as a share.
        bursts: Share of slices in which each contestant is disturbed for itself, by a tenth on average.
        luck: Standard deviation of a model between processes, as a share.
    """

    clock: Range = (1.0, 1.3)
    memory: Range = (1.0, 1.1)
    flutter: float = 0.02
    noise: float = 0.004
    bursts: float = 0.05
    luck: float = PROCESS_SD

    def slices(
        self, rng: np.random.Generator, models: Sequence[tuple[float, float]], slices: int = 8, processes: int = 3
    ) -> tuple[list[Slice], list[int]]:
        """Runs of the models, COMPUTE and MEMORY in ms, and the process of each slice.

        Args:
            rng: Draws all of it.
            models: Latency in ms and memory slope of each.
            slices: How many a process.
            processes: How many.
        """
        found: list[Slice] = []
        references = [(CALIBRATION.compute_ms, 0.0), (CALIBRATION.memory_ms, 1.0)]
        for _ in range(processes):
            clock = rng.uniform(*self.clock)
            lucky = [time * np.exp(self.luck * rng.standard_normal()) for time, _ in models]
            mine = [(time, slope) for time, (_, slope) in zip(lucky, models, strict=True)]
            for _ in range(slices):
                memory, burst = rng.uniform(*self.memory), rng.random() < self.bursts
                found.append(
                    tuple(
                        self._runs(rng, clock * time, slope, memory, burst, runs)
                        for (time, slope), runs in zip([*mine, *references], (*[6] * len(mine), 24, 8), strict=True)
                    )
                )
        return found, [process for process in range(processes) for _ in range(slices)]

    def _runs(
        self, rng: np.random.Generator, time: float, slope: float, memory: float, burst: bool, runs: int
    ) -> tuple[float, ...]:
        memory *= np.exp(self.flutter * abs(rng.standard_normal()))
        disturbed = 1 + rng.exponential(0.1) if burst else 1.0
        return tuple((time * memory**slope * disturbed * np.exp(self.noise * rng.standard_normal(runs))).tolist())


def bytes_of(slope: float, latency_ms: float) -> int:
    """A file size from which a slope would be foretold, the largest: far from the edge of the cache where it can be."""
    sizes = np.unique(np.geomspace(1e4, 1e9, 4000).astype(int)).tolist()
    return max(size for size in sizes if CALIBRATION.prior_slope(size, latency_ms) <= slope)
