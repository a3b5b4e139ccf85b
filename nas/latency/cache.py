"""Measured latencies, one small JSON file a set of keys, in the cache folder.

The search never reads them: it always measures. `ghostnas latency` does, and shows how old they are.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nas.errors import StorageError
from nas.latency.measure import Comparison
from nas.latency.protocol.estimate import Ratio
from nas.latency.protocol.plan import PROTOCOL
from nas.latency.types import Latency, Level
from nas.util.paths import cache_dir, cache_subdir

_ROOM = "latency"

Keys = Sequence[Mapping[str, Any]]


def find(keys: Keys, level: Level, calibration: str) -> tuple[Comparison, float] | None:
    """The stored latencies of models that were measured together, and their age in seconds; or None.

    Args:
        keys: One a model, in order.
        level: `screening` or `finalist`.
        calibration: Identity of the device's present calibration; others are not comparable to the last percent.
    """
    try:
        data = json.loads((cache_dir() / _ROOM / _name(keys, level, calibration)).read_text(encoding="utf-8"))
        latencies = tuple(Latency.from_dict(one) for one in data["latencies"])
        ratios = None if data["ratios"] is None else tuple(Ratio(**one) for one in data["ratios"])
        age_s = max(0.0, time.time() - float(data["measured_at"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # Not there, or not readable any more: measured again.
    # The name is a digest cut short; the whole keys decide.
    same = [one.key for one in latencies] == [dict(key) for key in keys]
    return (Comparison(latencies, ratios), age_s) if same else None


def known(keys: Keys, level: Level) -> bool:
    """Whether latencies of these keys are stored, of any calibration.

    Args:
        keys: One a model, in order.
        level: `screening` or `finalist`.
    """
    return any((cache_dir() / _ROOM).glob(f"{_of_keys(keys, level)}-*.json"))


def keep(found: Comparison) -> Path:
    """Store latencies under their keys; older ones of the same keys are replaced.

    Raises:
        StorageError: The cache folder cannot be written.
    """
    first = found.latencies[0]
    name = _name([one.key for one in found.latencies], first.level, first.calibration)
    path = cache_subdir(_ROOM, needed_bytes=2**20) / name
    draft = path.with_suffix(f".{os.getpid()}.part")
    content = {
        "measured_at": time.time(),
        "latencies": [one.to_dict() for one in found.latencies],
        "ratios": None if found.ratios is None else [asdict(one) for one in found.ratios],
    }
    try:
        draft.write_text(json.dumps(content), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def _name(keys: Keys, level: Level, calibration: str) -> str:
    return f"{_of_keys(keys, level)}-{hashlib.sha256(calibration.encode()).hexdigest()[:8]}.json"


def _of_keys(keys: Keys, level: Level) -> str:
    text = json.dumps([[dict(key) for key in keys], level, PROTOCOL], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
