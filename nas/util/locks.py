"""Locks on files: held until they are closed, or until their process ends, however it ends."""

import fcntl
from pathlib import Path
from typing import IO


def try_lock(path: Path) -> IO[str] | None:
    """The lock of a file, made where it is missing; None where another holds it."""
    handle = path.open("w", encoding="utf-8")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def wait_for_lock(path: Path) -> IO[str]:
    """The lock of a file, made where it is missing, as soon as nobody else holds it."""
    handle = path.open("w", encoding="utf-8")
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle
