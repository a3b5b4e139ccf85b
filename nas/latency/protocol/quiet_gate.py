"""The quiet gate: what a slice says of the device, and whether the device is too disturbed to be measured now.

A slice is dropped for what the *references* took in it, never for what a candidate took.
"""

from nas.latency.protocol.collect import Disturbance, Gate, Slice
from nas.latency.protocol.estimate import Calibration
from nas.latency.protocol.plan import SLICE_QUANTILE
from nas.latency.protocol.quantile import quantile

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
