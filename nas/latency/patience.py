"""Asking again when the machine was too disturbed for a number."""

import time
from collections.abc import Callable

from nas.errors import Unmeasurable
from nas.latency.values import Latency

_PAUSES_S = (2.0, 10.0, 30.0)


def patiently(measure: Callable[[], Latency], sleep: Callable[[float], None] = time.sleep) -> Latency:
    """Measure, and when the machine is disturbed try again after 2, 10 and 30 seconds.

    Args:
        measure: Takes one measurement.
        sleep: For tests.

    Raises:
        Unmeasurable: The machine was disturbed every time.
        LatencyError: The model cannot be measured at all.
    """
    for pause in _PAUSES_S:
        try:
            return measure()
        except Unmeasurable:
            sleep(pause)
    return measure()
