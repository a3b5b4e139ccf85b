"""A machine for tests: a clock that only moves when something runs, and disturbances on demand."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat

from nas.latency.machine import Probe


@dataclass
class FakeMachine:
    """Runs take the times given; `preempt` and `steal` say which runs the machine disturbs."""

    times_ms: Iterator[float]
    preempt: Callable[[int], float] = lambda run: 0.0  # milliseconds lost to other programs
    steal: Callable[[int], bool] = lambda run: False
    runs: int = 0
    rests: int = 0
    _now_ns: int = 0
    _cpu_ns: int = 0
    _switches: int = 0
    _ticks: int = 0

    @classmethod
    def steady(cls, time_ms: float, **more: Callable[[int], float]) -> "FakeMachine":
        return cls(repeat(time_ms), **more)  # type: ignore[arg-type]

    def run(self) -> None:
        work, lost = round(next(self.times_ms) * 1e6), round(self.preempt(self.runs) * 1e6)
        self._now_ns += work + lost
        self._cpu_ns += work
        self._switches += lost > 0
        self._ticks += self.steal(self.runs)
        self.runs += 1

    def _rest(self) -> None:
        self.rests += 1
        self._now_ns += 2_000_000

    def probe(self, threads: int = 1) -> Probe:
        return Probe(
            now_ns=lambda: self._now_ns,
            switches=lambda: self._switches,
            cpu_ns=(lambda: self._cpu_ns) if threads == 1 else None,
            stolen=lambda: (0, self._ticks),
            rest=self._rest,
        )
