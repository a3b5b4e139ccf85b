"""What the machine says about itself: its fingerprint, its clock, and signs that a run was disturbed."""

import hashlib
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nas.latency.protocol.gpu import Gpu, gpu
from nas.util.processor import processor

_STEAL_COLUMN = 8  # `cpuN user nice system idle iowait irq softirq steal ...`, see proc(5)
_REST_S = 0.002
_PAUSE_S = 0.25
_PROCESSOR_COLUMN = 36  # of /proc/thread-self/stat, counted after the command's closing bracket


@dataclass(frozen=True, slots=True)
class Probe:
    """The clock and the disturbance counters, in one value so that tests can bring their own.

    Attributes:
        now_ns: A monotonic clock in nanoseconds.
        switches: How often the scheduler took the processor away so far.
        cpu_ns: Processor time of the measuring thread so far; None when other threads share the work.
        stolen: The processor the thread is on, and how many ticks the hypervisor took from it so far.
        throttles: How often the processors slowed down for heat or power so far.
        rest: Lets other programs run for a moment.
        pause: Leaves a contended device alone for a quarter of a second.
    """

    now_ns: Callable[[], int]
    switches: Callable[[], int]
    cpu_ns: Callable[[], int] | None
    stolen: Callable[[], tuple[int, int]]
    throttles: Callable[[], int]
    rest: Callable[[], None]
    pause: Callable[[], None]


def _stolen() -> tuple[int, int]:
    try:
        with open("/proc/thread-self/stat", encoding="ascii", errors="replace") as file:
            processor = int(file.read().rpartition(")")[2].split()[_PROCESSOR_COLUMN])
        with open("/proc/stat", encoding="ascii") as file:
            for line in file:
                if line.startswith(f"cpu{processor} "):
                    return processor, int(line.split()[_STEAL_COLUMN])
    except (OSError, IndexError, ValueError):
        pass
    return 0, 0  # No /proc (macOS): nothing to tell, and nothing is dropped for it.


@cache
def _throttle_counters() -> tuple[Path, ...]:
    # Intel and some ARM systems count here; where there is no counter, nothing is dropped for it.
    return tuple(Path("/sys/devices/system/cpu").glob("cpu*/thermal_throttle/core_throttle_count"))


def _throttles() -> int:
    return sum(int(path.read_text(encoding="ascii")) for path in _throttle_counters())


@contextmanager
def ahead_of_others(threads: int) -> Iterator[bool]:
    """Run ahead of every ordinary program (SCHED_FIFO) while a latency is timed, where the system lets us.

    Only while a processor stays free for the others: a runtime whose threads wait for each other by spinning would
    otherwise lock the machine.

    Yields:
        Whether it was granted.
    """
    granted = False
    if hasattr(os, "sched_setscheduler") and threads < _allowed():
        with suppress(OSError):
            for thread in _own_threads():
                os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(1))
            granted = True
    try:
        yield granted
    finally:
        if hasattr(os, "sched_setscheduler"):
            for thread in _own_threads():
                with suppress(OSError):
                    os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def _allowed() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _own_threads() -> list[int]:
    return [int(folder.name) for folder in Path("/proc/self/task").glob("*")]


def probe(threads: int) -> Probe:
    """The real clock and counters, for a runtime with that many threads.

    With one thread every runtime here works on the calling thread, and its own counter is read; with more,
    the whole process is counted.
    """
    whole: int = resource.RUSAGE_SELF
    who: int = getattr(resource, "RUSAGE_THREAD", whole) if threads == 1 else whole
    return Probe(
        now_ns=time.perf_counter_ns,
        switches=lambda: resource.getrusage(who).ru_nivcsw,
        cpu_ns=time.thread_time_ns if threads == 1 else None,
        stolen=_stolen,
        throttles=_throttles,
        rest=lambda: time.sleep(_REST_S),
        pause=lambda: time.sleep(_PAUSE_S),
    )


def _machine() -> str:
    """Eight digits that tell this machine from others of its kind: of systemd's machine-id, else of its name."""
    try:
        name = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        name = ""
    return hashlib.sha256((name or platform.node()).encode()).hexdigest()[:8]


@cache
def device_kind(device: str = "cpu") -> str:
    """One line that is the same for all devices of a kind, for example `AMD EPYC, 2 cores, Linux x86_64`.

    Args:
        device: `cpu`, or `cuda:N`.

    Raises:
        LatencyError: There is no such GPU here.
    """
    base, one = f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}", _gpu(device)
    return base if one is None else f"{one.name}, driver {one.driver} ({base})"


@cache
def fingerprint(device: str = "cpu") -> str:
    """One line that names the device and is the same in every process, for example `AMD EPYC, 2 cores, Linux
    x86_64, machine 1f40fc92`. Two boards of one kind are two devices, and so are two GPUs of one kind: behind the
    machine stands the GPU's own number.

    Args:
        device: `cpu`, or `cuda:N`.

    Raises:
        LatencyError: There is no such GPU here.
    """
    one = _gpu(device)
    return f"{device_kind(device)}, machine {_machine()}{'' if one is None else f', GPU {one.uuid[:8]}'}"


def _gpu(device: str) -> Gpu | None:
    kind, _, index = device.partition(":")
    return None if kind == "cpu" else gpu(int(index))
