"""Quantities with units: what parses, to what, and what is refused with which words."""

from collections.abc import Callable

import pytest

from nas.errors import UsageError
from nas.util.units import count, duration_s, latency_ms, size_bytes

Parser = Callable[[str], float]


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (latency_ms, "2.5ms", 2.5),
        (latency_ms, " 2.5 MS ", 2.5),
        (latency_ms, "900us", 0.9),
        (latency_ms, "900µs", 0.9),
        (latency_ms, ".1s", 100.0),
        (latency_ms, "25e-1ms", 2.5),
        (duration_s, "90s", 90.0),
        (duration_s, "20m", 1200.0),
        (duration_s, "20min", 1200.0),
        (duration_s, "1.5h", 5400.0),
        (size_bytes, "4MB", 4_000_000),
        (size_bytes, "4mib", 4 * 2**20),
        (size_bytes, "1.5kB", 1500),
        (size_bytes, "12B", 12),
        (count, "2.5M", 2_500_000),
        (count, "800k", 800_000),
        (count, "1200000", 1_200_000),
        (count, "1G", 10**9),
    ],
)
def test_quantities(parse: Parser, text: str, value: float) -> None:
    assert parse(text) == pytest.approx(value, rel=1e-12)
    assert type(parse(text)) is type(value)


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (latency_ms, "2.5", r"latency '2.5' has no unit; write 2.5ms \(units: ms"),
        (latency_ms, "2.5m", "has an unknown unit"),
        (latency_ms, "0ms", "must be above zero, got '0ms'"),
        (latency_ms, "-1ms", "must be a positive number with a unit, such as 2.5ms; got '-1ms'"),
        (latency_ms, "", "must be a positive number"),
        (latency_ms, "ms", "must be a positive number"),
        (latency_ms, "nanms", "must be a positive number"),
        (latency_ms, "2,5ms", "must be a positive number"),
        (latency_ms, "1e999ms", "too large"),
        (duration_s, "20", "has no unit; write 20m"),
        (duration_s, "20d", "has an unknown unit"),
        (duration_s, "0s", "above zero"),
        (size_bytes, "4", "has no unit; write 4MB"),
        (size_bytes, "4Mb/s", "must be a positive number"),
        (size_bytes, "0.1B", "1 or more"),
        (size_bytes, "1e999MB", "too large"),
        (count, "2.5X", "has an unknown unit"),
        (count, "0", "above zero"),
        (count, "0.2", "1 or more"),
        (count, "1e999", "too large"),
    ],
)
def test_bad_quantities(parse: Parser, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text)
