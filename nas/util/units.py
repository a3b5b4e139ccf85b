"""Quantities with units, parsed once at the edge: `2.5ms`, `20m`, `4MB`.

Each parser takes what a user typed and returns a float or int in the one unit that the rest of ghostnas uses,
or raises `UsageError` with the rule and the value.
"""

import math
import re
from collections.abc import Mapping

from nas.errors import UsageError

_LATENCY_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_COUNT = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}

_QUANTITY = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*([A-Za-zµ]*)\s*")


def _parse(text: str, normal: str, units: Mapping[str, float] | Mapping[str, int], what: str, example: str) -> float:
    """The quantity that a user typed, read from its normal spelling; a message shows what was typed."""
    match = _QUANTITY.fullmatch(normal)
    if match is None:
        raise UsageError(f"{what} must be a positive number with a unit, such as {example}; got {text!r}")
    number, unit = float(match.group(1)), match.group(2)
    if unit not in units:
        known = ", ".join(u for u in units if u)
        wrong = f"has no unit; write {number:g}{next(u for u in units if u)!s}" if not unit else "has an unknown unit"
        raise UsageError(f"{what} {text!r} {wrong} (units: {known}; for example {example})")
    value = number * units[unit]
    if not value > 0:
        raise UsageError(f"{what} must be above zero, got {text!r}")
    if math.isinf(value):
        raise UsageError(f"{what} {text!r} is too large for a number; leave the limit out instead")
    return value


def _whole(value: float, what: str, text: str) -> int:
    """The nearest whole number, which must not round down to nothing."""
    if round(value) < 1:
        raise UsageError(f"{what} must be 1 or more, got {text!r}")
    return round(value)


def latency_ms(text: str) -> float:
    """Parse a latency such as `2.5ms`, `900us` or `0.1s` into milliseconds.

    Raises:
        UsageError: The text has no unit, an unknown unit, or is not above zero.
    """
    normal = text.strip().lower().replace("µ", "u")
    return _parse(text, normal, {"ms": 1.0, **_LATENCY_MS}, "latency", "2.5ms")


def duration_s(text: str) -> float:
    """Parse a duration such as `90s`, `20m` or `1.5h` into seconds.

    Raises:
        UsageError: The text has no unit, an unknown unit, or is not above zero.
    """
    return _parse(text, text.strip().lower(), {"m": 60.0, **_SECONDS}, "duration", "20m")


def size_bytes(text: str) -> int:
    """Parse a file size such as `4MB` (10^6 bytes) or `4MiB` (2^20 bytes) into bytes.

    Raises:
        UsageError: The text has no unit, an unknown unit, or is not above zero.
    """
    return _whole(_parse(text, text.strip().upper(), {"MB": 10**6, **_BYTES}, "size", "4MB"), "size", text)


def count(text: str) -> int:
    """Parse a count such as `2.5M`, `800k` or `1200000` into an integer.

    Raises:
        UsageError: The text has an unknown suffix or is not above zero.
    """
    return _whole(_parse(text, text.strip().upper(), _COUNT, "count", "2.5M"), "count", text)
