"""The quiet gate: what a slice says of the device, and whether the device is too disturbed to be measured now.

A slice is dropped for what the *references* took in it, never for what a candidate took.
"""

from nas.latency.estimate import Calibration
from nas.latency.interval import quantile
from nas.latency.protocol import SLICE_QUANTILE, Gate, Slice

MOST_CLOCK = 2.0
"""COMPUTE may take this many times its calibrated time: slower hours are set in relation, a stopped machine is not."""


def quiet_gate(calibration: Calibration, most_memory: float) -> Gate:
    """The gate of a device.

    Args:
        calibration: What the references take when the device is quiet.
        most_memory: How many times as slow as when calibrated memory-bound work may be, against compute. What lies
            below is set in relation (`estimate.py`); the further from 1, the wider the interval.
    """

    def gate(one: Slice) -> str | None:
        compute, memory = (quantile(runs, SLICE_QUANTILE) for runs in one[-2:])
        clock = compute / calibration.compute_ms
        slowed = (memory / compute) / (calibration.memory_ms / calibration.compute_ms)
        if clock > MOST_CLOCK:
            return f"its processor ran {clock:.2f} times as slowly as when it was calibrated (at most {MOST_CLOCK:g})"
        if slowed > most_memory:
            return (
                f"something else used its cache and memory: memory-bound work ran {slowed:.2f} times as slowly as when "
                f"it was calibrated (at most {most_memory:g})"
            )
        return None

    return gate
