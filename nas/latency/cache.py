"""Measured latencies, one small JSON file a key, in the cache folder.

The search never reads them: it always measures. `ghostnas latency` does, and shows how old they are.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.errors import StorageError
from nas.latency.values import Latency, Level
from nas.paths import cache_dir, cache_subdir

_ROOM = "latency"


def _name(key: Mapping[str, Any], level: Level) -> str:
    text = json.dumps({**key, "level": level}, sort_keys=True)
    return f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"


def find(key: Mapping[str, Any], level: Level) -> tuple[Latency, float] | None:
    """The stored latency of a key and its age in seconds, or None."""
    try:
        data = json.loads((cache_dir() / _ROOM / _name(key, level)).read_text(encoding="utf-8"))
        latency = Latency.from_dict(data["latency"])
        age_s = max(0.0, time.time() - float(data["measured_at"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # Not there, or not readable any more: measured again.
    # The name is a digest cut short; the whole key decides.
    return (latency, age_s) if latency.key == dict(key) else None


def keep(latency: Latency) -> Path:
    """Store a latency under its key; an older one is replaced.

    Raises:
        StorageError: The cache folder cannot be written.
    """
    path = cache_subdir(_ROOM, needed_bytes=2**20) / _name(latency.key, latency.level)
    draft = path.with_suffix(f".{os.getpid()}.part")
    try:
        draft.write_text(json.dumps({"measured_at": time.time(), "latency": latency.to_dict()}), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    return path
