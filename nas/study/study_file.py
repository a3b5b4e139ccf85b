"""A study in a results folder: one SQLite file, one lock file, and what to do when the first is corrupt."""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from nas.errors import StorageError, StudyError
from nas.study.storage import Part, close_storage
from nas.util.locks import try_lock

if TYPE_CHECKING:
    import optuna

STUDY_FILE, DRAFT_FILE, LOCK_FILE = "study.db", "study.db.part", ".lock"

_LONGEST_PATH = 504
"""SQLite's own limit of 512 bytes, links followed, without the `-journal` that it adds."""


class FileLock:
    """The lock of a results folder; as long as its process lives, nothing takes it away."""

    def __init__(self, handle: IO[str]) -> None:
        """Keep a locked file."""
        self._handle = handle

    @property
    def writer_id(self) -> None:
        """None: only a lock that can be lost needs to know who wrote last."""

    def last_writer(self, study: "optuna.Study") -> None:
        """None: see `writer_id`."""

    def set_writer(self, study: "optuna.Study") -> None:
        """Do nothing: see `writer_id`."""

    def check(self, study: "optuna.Study") -> None:
        """Do nothing: this process holds the lock as long as it lives."""

    def close(self) -> None:
        """Free it."""
        self._handle.close()


@dataclass(frozen=True, slots=True)
class StudyFile:
    """A study in the SQLite file `study.db` of a results folder.

    Attributes:
        folder: The results folder.
    """

    folder: Path

    @property
    def path(self) -> Path:
        """Path of the SQLite file."""
        return self.folder / STUDY_FILE

    @property
    def label(self) -> str:
        """The file's path, as messages call it."""
        return str(self.path)

    @property
    def retry_timeout_s(self) -> float:
        """Zero: a write that failed, as on a full disk, is not tried again."""
        return 0.0

    @property
    def advice(self) -> str:
        """What to do where it cannot be written."""
        return "make room, or allow it"

    def study_name(self, part: Part) -> str:
        """The part's own name, as the file holds one search."""
        return part

    def exists(self) -> bool:
        """Whether the file is there; it appears whole."""
        return os.path.isfile(self.path)  # no error where the name is too long: whoever makes the folder says that

    def check_intact(self) -> None:
        """Make sure that the file, when there is one, is a sound SQLite database.

        A corrupt file is renamed, never deleted or overwritten.

        Raises:
            StudyError: The file is corrupt; says where it was put.
        """
        path = self.path
        if not path.exists():
            return
        try:
            connection = sqlite3.connect(path, timeout=30)
            try:
                (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            finally:
                connection.close()
        except sqlite3.OperationalError as error:
            # Locked by another program, or not to be opened: sound, for all we know.
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

    def lock(self) -> FileLock:
        """Lock the results folder for this process; the lock is freed when the process ends, however it ends.

        Raises:
            StudyError: Another process holds it.
        """
        handle = try_lock(self.folder / LOCK_FILE)
        if handle is None:
            raise StudyError(
                f"{self.folder} is in use by another ghostnas search; wait for it, or give this search a --name of "
                "its own"
            )
        return FileLock(handle)

    def in_use(self) -> bool:
        """Whether a search holds the results folder's lock now."""
        path = self.folder / LOCK_FILE
        if not path.exists():
            return False
        with path.open("rb") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def open(self) -> "optuna.storages.RDBStorage":
        """Open the SQLite storage.

        Raises:
            NoStudies: The file is no database of Optuna's.
        """
        if not _holds_studies(self.path):
            raise NoStudies
        return _open(self.path)

    def create(self, fill: "Callable[[optuna.storages.RDBStorage], None]") -> None:
        """Make the file beside its place, and rename it."""
        draft = self.folder / DRAFT_FILE
        draft.unlink(missing_ok=True)
        storage = _open(draft)
        try:
            fill(storage)
        finally:
            close_storage(storage)
        draft.replace(self.path)

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink()

    def is_transient(self, error: BaseException) -> bool:
        """False for every error: see `retry_timeout_s`."""
        return False


class NoStudies(KeyError):
    """A file that is no database of Optuna's."""

    def __str__(self) -> str:
        """The message."""
        return "it holds no studies"


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


def _holds_studies(path: Path) -> bool:
    """Whether a file is a database of Optuna's; it is only looked at, where Optuna would make its tables in any.

    Raises:
        sqlite3.Error: It is no database, or cannot be opened.
    """
    connection = sqlite3.connect(path, timeout=30)
    try:
        found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'studies'").fetchone()
    finally:
        connection.close()
    return found is not None


def _open(path: Path) -> "optuna.storages.RDBStorage":
    import optuna
    from sqlalchemy.pool import QueuePool

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    place = os.fsencode(path.absolute())

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(place, timeout=30, check_same_thread=False)

    # The URL says only what kind of database it is: not every path can stand in one.
    return optuna.storages.RDBStorage("sqlite:///", engine_kwargs={"creator": connect, "poolclass": QueuePool})
