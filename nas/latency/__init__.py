"""Latency: how it is measured (`LatencySettings`) and what came out (`Latency`); `measure.py` does it.

Importing this package loads neither torch nor a runtime.
"""

from nas.latency.runtimes.registry import available_runtimes, is_installed, runtime_version
from nas.latency.types import (
    DEFAULT_RUNTIME,
    LEVELS,
    PRECISIONS,
    RUNTIMES,
    SCOPES,
    STATISTICS,
    Latency,
    LatencySettings,
    Level,
    resolve_level,
    resolve_runtime,
)

__all__ = [
    "DEFAULT_RUNTIME",
    "LEVELS",
    "PRECISIONS",
    "RUNTIMES",
    "SCOPES",
    "STATISTICS",
    "Latency",
    "LatencySettings",
    "Level",
    "available_runtimes",
    "is_installed",
    "resolve_level",
    "resolve_runtime",
    "runtime_version",
]
