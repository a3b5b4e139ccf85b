"""The quiet gate: what a slice says of the device, and whether the device is too disturbed to be measured now.

A slice is dropped for what the *references* took in it, never for what a candidate took.
"""

from collections.abc import Callable

from nas.latency.protocol.collect import Disturbance, Gate, Quiet, Slice
from nas.latency.protocol.estimate import Calibration
from nas.latency.protocol.plan import QUIET_CLOCK, SLICE_QUANTILE
from nas.latency.protocol.quantile import quantile

_LOOKS = 3
"""COMPUTE is run up to so often for one look: its first run may find the caches full of another network."""

MOST_CLOCK = 2.0
"""COMPUTE may take this many times its calibrated time: slower hours are set in relation, a stopped machine is not."""


def quiet_gate(calibration: Calibration, quiet_memory: float, most_memory: float) -> Gate:
    """The gate of a device.

    Args:
        calibration: What the references take when the device is quiet.
        quiet_memory: How many times as slow as when calibrated memory-bound work may be, against compute. What lies
            below is set in relation (`estimate.py`); the further from 1, the wider the interval.
        most_memory: Up to which it can be borne where nothing better is to be had.
    """

    def gate(one: Slice) -> Disturbance | None:
        compute, memory = (quantile(runs, SLICE_QUANTILE) for runs in one[-2:])
        clock = compute / calibration.compute_ms
        slowed = (memory / compute) / (calibration.memory_ms / calibration.compute_ms)
        if clock > MOST_CLOCK:
            text = f"its processor ran {clock:.2f} times as slowly as when it was calibrated (at most {MOST_CLOCK:g})"
            return Disturbance(text, bearable=False)
        if slowed > quiet_memory:
            return Disturbance(
                f"something else used its cache and memory: memory-bound work ran {slowed:.2f} times as slowly as when "
                f"it was calibrated (at most {quiet_memory:g})",
                bearable=slowed <= most_memory,
            )
        return None

    return gate


def quiet_processor(compute: Callable[[], None], compute_ms: float, now_ns: Callable[[], int]) -> Quiet:
    """Looks whether the processor is quiet just now, by running COMPUTE.

    Args:
        compute: Runs COMPUTE once.
        compute_ms: What it takes on the quiet device.
        now_ns: A monotonic clock in nanoseconds.
    """
    limit_ns = QUIET_CLOCK * compute_ms * 1e6

    def took_ns() -> int:
        start = now_ns()
        compute()
        return now_ns() - start

    return lambda: any(took_ns() <= limit_ns for _ in range(_LOOKS))
