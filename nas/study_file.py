"""The file behind a study: one lock, one SQLite database, and what to do when it is corrupt."""

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from nas.errors import StorageError, StudyError
from nas.locks import try_lock

if TYPE_CHECKING:
    import optuna

STUDY_FILE, LOCK_FILE = "study.db", ".lock"


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


def in_use(folder: Path) -> bool:
    """Whether a search holds the results folder's lock now."""
    path = folder / LOCK_FILE
    if not path.exists():
        return False
    with path.open() as handle:
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

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.storages.RDBStorage(f"sqlite:///{path.absolute()}", engine_kwargs={"connect_args": {"timeout": 30}})
