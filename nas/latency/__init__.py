"""Latency: what is measured (`Subject`), how (`LatencySettings`), and what came out (`Latency`).

Importing this package loads neither torch nor a runtime.
"""

from nas.latency.fresh_process import measure_fresh
from nas.latency.local import measure
from nas.latency.patience import patiently
from nas.latency.runtimes import available_runtimes, is_installed, runtime_version
from nas.latency.values import (
    DEFAULT_RUNTIME,
    LEVELS,
    PRECISIONS,
    RUNTIMES,
    SCOPE,
    Latency,
    LatencySettings,
    Level,
    Subject,
    resolve_level,
    resolve_runtime,
)

__all__ = [
    "DEFAULT_RUNTIME",
    "LEVELS",
    "PRECISIONS",
    "RUNTIMES",
    "SCOPE",
    "Latency",
    "LatencySettings",
    "Level",
    "Subject",
    "available_runtimes",
    "is_installed",
    "measure",
    "measure_fresh",
    "patiently",
    "resolve_level",
    "resolve_runtime",
    "runtime_version",
]
