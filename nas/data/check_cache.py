"""What was found in picture files, remembered in the cache folder by path, size, inode and change time."""

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from functools import cache
from importlib.metadata import version
from pathlib import Path

from nas.data.picture import Picture
from nas.errors import StorageError
from nas.util.paths import cache_subdir

_FILE = "pictures.db"
_TABLE = "CREATE TABLE IF NOT EXISTS pictures (path BLOB PRIMARY KEY, stamp TEXT, pixels TEXT, height, width, trailing)"
SETTLED_S = 2.0
"""A file that was changed less long ago may change once more within the resolution of its change time."""


def recall(paths: Sequence[Path]) -> dict[Path, Picture]:
    """What is known of files that have not changed since.

    Raises:
        StorageError: The cache folder cannot be written.
    """
    with _opened() as connection:
        known = {}
        for path in paths:
            row = connection.execute(
                "SELECT pixels, height, width, trailing FROM pictures WHERE path = ? AND stamp = ?",
                (os.fsencode(path), stamp(path)),
            ).fetchone()
            if row is not None:
                pixels, height, width, trailing = row
                known[path] = Picture(pixels, height, width, bool(trailing))
    return known


def remember(found: Mapping[Path, tuple[str, Picture]]) -> None:
    """Keep what was found in files.

    Args:
        found: Stamp, taken before the file was read, and content of each file.

    Raises:
        StorageError: The cache folder cannot be written.
    """
    rows = [
        (os.fsencode(path), mark, *astuple(picture))
        for path, (mark, picture) in found.items()
        if time.time() - path.stat().st_ctime > SETTLED_S
    ]
    with _opened() as connection:
        connection.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?, ?)", rows)


def stamp(path: Path) -> str:
    """What is another text whenever a file's content, or what reads it, may be another."""
    status = path.stat()
    return f"{status.st_size}/{status.st_ino}/{status.st_ctime_ns}/{_readers()}"


@cache
def _readers() -> str:
    import cv2

    return f"{cv2.__version__}/{version('pillow')}/{version('ultralytics')}"


@contextmanager
def _opened() -> Iterator[sqlite3.Connection]:
    file = cache_subdir("data") / _FILE
    try:
        try:
            connection = _connected(file)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            file.unlink()  # no database any more, and nothing in it that could not be found again
            connection = _connected(file)
        try:
            with connection:
                yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StorageError(
            f"cannot use {file}, where pictures are remembered: {error}; delete the file, or set GHOSTNAS_CACHE to "
            "another folder"
        ) from error


def _connected(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(os.fsencode(file), timeout=60)
    try:
        connection.execute(_TABLE)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
