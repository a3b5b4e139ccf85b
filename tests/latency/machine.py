"""A machine for tests: a clock that only moves when something runs, and disturbances on demand."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat

from nas.latency.protocol.probe import Probe

_NS_PER_MS = 1e6
_REST_MS = 2.0
_PAUSE_MS = 250.0


@dataclass
class FakeMachine:
    """Runs of each contestant take the times given; the other functions say what the machine does to them.

    Attributes:
        times_ms: Times of each contestant's runs.
        slowed: By how much a run takes longer: told the machine as it is before the run, and the contestant.
        preempt: Milliseconds that a run, by its number, loses to other programs.
        steal: Whether the hypervisor takes a tick during a run.
        throttle: Whether the processor slows down for heat during a run.
        order: Which contestant each run was of, the untimed ones included.
        rests: How often the measurement let others run.
        pauses: How often the measurement left the machine alone.
    """

    times_ms: Sequence[Iterator[float]]
    slowed: Callable[["FakeMachine", int], float] = lambda machine, contestant: 1.0
    preempt: Callable[[int], float] = lambda run: 0.0
    steal: Callable[[int], bool] = lambda run: False
    throttle: Callable[[int], bool] = lambda run: False
    order: list[int] = field(default_factory=list)
    rests: int = 0
    pauses: int = 0
    now_ns: int = 0
    _cpu_ns: int = 0
    _switches: int = 0
    _ticks: int = 0
    _throttles: int = 0

    @classmethod
    def steady(cls, *times_ms: float, **more: Callable[..., float]) -> "FakeMachine":
        return cls([repeat(time_ms) for time_ms in times_ms], **more)  # type: ignore[arg-type]

    @property
    def now_s(self) -> float:
        return self.now_ns / 1e9

    @property
    def contestants(self) -> list[Callable[[], None]]:
        return [lambda index=index: self._run(index) for index in range(len(self.times_ms))]  # type: ignore[misc]

    def _run(self, contestant: int) -> None:
        number = len(self.order)
        work = round(next(self.times_ms[contestant]) * self.slowed(self, contestant) * _NS_PER_MS)
        lost = round(self.preempt(number) * _NS_PER_MS)
        self.now_ns += work + lost
        self._cpu_ns += work
        self._switches += lost > 0
        self._ticks += self.steal(number)
        self._throttles += self.throttle(number)
        self.order.append(contestant)

    def _rest(self) -> None:
        self.rests += 1
        self.now_ns += round(_REST_MS * _NS_PER_MS)

    def _pause(self) -> None:
        self.pauses += 1
        self.now_ns += round(_PAUSE_MS * _NS_PER_MS)

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)

    def probe(self, threads: int = 1) -> Probe:
        return Probe(
            now_ns=lambda: self.now_ns,
            switches=lambda: self._switches,
            cpu_ns=(lambda: self._cpu_ns) if threads == 1 else None,
            stolen=lambda: (0, self._ticks),
            throttles=lambda: self._throttles,
            rest=self._rest,
            pause=self._pause,
        )
