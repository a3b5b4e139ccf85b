"""The file behind a study: one lock, one SQLite database, and what to do when it is corrupt."""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from nas.errors import StorageError, StudyError
from nas.util.locks import try_lock

if TYPE_CHECKING:
    import optuna

STUDY_FILE, DRAFT_FILE, LOCK_FILE = "study.db", "study.db.part", ".lock"

_LONGEST_PATH = 504
"""SQLite's own limit of 512 bytes, links followed, without the `-journal` that it adds."""


def lock(folder: Path) -> IO[str]:
    """Lock a results folder for this process; the lock is freed when the process ends, however it ends.

    Raises:
        StudyError: Another process holds it.
    """
    handle = try_lock(folder / LOCK_FILE)
    if handle is None:
        raise StudyError(
            f"{folder} is in use by another ghostnas search; wait for it, or give this search a --name of its own"
        )
    return handle


def check_path(folder: Path) -> None:
    """Refuse a results folder whose path SQLite cannot open; nothing is written.

    Raises:
        StorageError: The path is too long.
    """
    length = len(os.fsencode(os.path.realpath(folder / DRAFT_FILE)))
    if length > _LONGEST_PATH:
        raise StorageError(
            f"the path of {folder / STUDY_FILE} is {length - _LONGEST_PATH} bytes too long: SQLite opens none of more "
            f"than {_LONGEST_PATH}; choose a shorter --out or --name"
        )


def in_use(folder: Path) -> bool:
    """Whether a search holds the results folder's lock now."""
    path = folder / LOCK_FILE
    if not path.exists():
        return False
    with path.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def check_intact(path: Path) -> None:
    """Make sure that a study file, when there is one, is a sound SQLite database.

    A corrupt file is renamed, never deleted or overwritten.

    Raises:
        StudyError: The file is corrupt; says where it was put.
    """
    if not path.exists():
        return
    try:
        connection = sqlite3.connect(path, timeout=30)
        try:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.OperationalError as error:  # locked by another program, or not to be opened: sound, for all we know
        raise StudyError(
            f"{path} cannot be opened: {error}; close what uses it, and run the same command again"
        ) from error
    except sqlite3.DatabaseError as error:
        verdict = str(error)
    if verdict == "ok":
        return
    aside = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}")
    path.rename(aside)
    raise StudyError(
        f"{path} is corrupt ({verdict}); it was kept aside as {aside.name}. "
        "Run the same command again to start the search afresh, or put a good copy back first"
    )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What fails while a study file is written, a full disk above all, in a message of ours.

    Raises:
        StorageError: The file could not be written.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError  # what Optuna itself does not catch while it makes the tables

    try:
        yield
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        met = error if isinstance(error, SQLAlchemyError) else error.__cause__
        cause = getattr(met, "orig", None) or met or error
        raise StorageError(
            f"{path} cannot be written: {cause}; what is finished is kept: make room, and the same command goes on"
        ) from error


def open_storage(path: Path) -> "optuna.storages.RDBStorage":
    """Open (or create) the SQLite storage of a study file."""
    import optuna
    from sqlalchemy.pool import QueuePool

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    place = os.fsencode(path.absolute())

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(place, timeout=30, check_same_thread=False)

    # The URL says only what kind of database it is: not every path can stand in one.
    return optuna.storages.RDBStorage("sqlite:///", engine_kwargs={"creator": connect, "poolclass": QueuePool})
