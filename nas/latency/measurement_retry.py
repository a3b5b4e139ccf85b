"""Asking again: when the device was too disturbed for a number or for a sure one, and when it was lost."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from nas.errors import Busy, DeviceLost, Unmeasurable

T = TypeVar("T")

LONGEST_S = 30 * 60.0
"""A lost device is waited for this long."""

SURE = 0.02
"""A finalist's interval wider than this on either side, as a share, is worth asking again."""

DISTURBED_PAUSES_S = (2.0, 10.0, 30.0)
"""A disturbed device is asked again after these."""

_UNSURE_PAUSES_S = (2.0, 8.0)
_LOST_PAUSES_S = (5.0, 15.0, 60.0, 120.0, 300.0)


def retry_while_disturbed(
    measure: Callable[[], T],
    sleep: Callable[[float], None] = time.sleep,
    *,
    pauses_s: Sequence[float] = DISTURBED_PAUSES_S,
    clock: Callable[[], float] = time.monotonic,
    notice: Callable[[str], None] = lambda text: None,
) -> T:
    """Measure, and try again what may go better later.

    A disturbed device is asked again after each of some pauses. One that others hold is waited for as long as they do:
    locks of what has died are free. A lost one is connected to again after 5, 15, 60, 120
    and every further 300 seconds, until it has been away for half an hour.

    Args:
        measure: Takes one measurement, and connects to the device when it is not connected.
        sleep: Lets the given seconds pass.
        pauses_s: Before a disturbed device is asked again.
        clock: Seconds, for the time that a device has been away.
        notice: Called with one line, each time: why there is no number yet and when it will be tried again.

    Raises:
        Unmeasurable: The device was disturbed every time.
        DeviceLost: The device stayed away.
        LatencyError: The model cannot be measured at all.
    """
    disturbed, away = 0, 0
    lost_at: float | None = None
    while True:
        asked_at = clock()
        try:
            return measure()
        except Busy as error:
            notice(f"{error} (still waiting)")  # it has waited for two minutes before it said so
        except Unmeasurable as error:
            away, lost_at = 0, None  # it answered
            if disturbed == len(pauses_s):
                raise
            pause = pauses_s[disturbed]
            notice(f"{error} (asked again in {pause:.0f} s)")
            sleep(pause)
            disturbed += 1
        except DeviceLost as error:
            lost_at = asked_at if lost_at is None else lost_at
            pause = _LOST_PAUSES_S[min(away, len(_LOST_PAUSES_S) - 1)]
            if clock() + pause - lost_at > LONGEST_S:
                raise DeviceLost(
                    f"{error}; it has been tried again for {(clock() - lost_at) / 60:.0f} minutes"
                ) from error
            notice(f"{error} (asked again in {pause:.0f} s)")
            sleep(pause)
            away += 1


def repeat_until_precise(
    measure: Callable[[], T],
    width: Callable[[T], float],
    enough: Callable[[T], bool] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    *,
    notice: Callable[[str], None] = lambda text: None,
) -> T:
    """Measure, and again up to twice while the answer is not enough; of several the one with the narrowest interval.

    Args:
        measure: Takes one measurement.
        width: Half width of an answer's interval, as a share of it.
        enough: Whether an answer will do; by default one that is known to `SURE`.
        sleep: Lets the given seconds pass.
        notice: Called with one line: why it is measured again.

    Raises:
        Unmeasurable: The device was too disturbed the first time.
        LatencyError: The model cannot be measured.
    """
    found = measure()
    for pause in _UNSURE_PAUSES_S:
        if enough(found) if enough else width(found) <= SURE:
            break
        notice(f"known to ±{width(found):.1%} only (measured again in {pause:.0f} s)")
        sleep(pause)
        with suppress(Unmeasurable, Busy, DeviceLost):  # there is an answer already
            found = min(found, measure(), key=width)
    return found
