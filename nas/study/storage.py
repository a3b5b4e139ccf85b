"""What a study is stored in: one interface, of a file (`study_file.py`) and of a database (`postgres.py`)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import optuna

Part = Literal["search", "baselines"]
"""A study is two studies of Optuna: the candidates, and the known designs."""

SEARCH: Part = "search"
BASELINES: Part = "baselines"
PARTS: tuple[Part, ...] = (SEARCH, BASELINES)


class ConnectionLost(Exception):
    """A storage does not answer now, or gives its lock to nobody yet; it may well do so in a minute."""


class StudyLock(Protocol):
    """What its one writer holds of a study; free when it is closed, or when its process ends, however it ends."""

    @property
    def writer_id(self) -> str | None:
        """Random id of this process as a writer, where the lock can be lost; else None."""

    def last_writer(self, study: "optuna.Study") -> str | None:
        """The id of the process that opened the study for writing last."""

    def set_writer(self, study: "optuna.Study") -> None:
        """Note in an opened study that this process is its writer."""

    def check(self, study: "optuna.Study") -> None:
        """Make sure, before a write, that the lock is held.

        Raises:
            ConnectionLost: It is not held now.
            StudyError: It was lost, and another process has written meanwhile.
        """

    def close(self) -> None:
        """Free it."""


class StudyStorage(Protocol):
    """Where one study is stored.

    Attributes:
        label: What messages call it; without a password.
        retry_timeout_s: How long a write is tried again while the storage does not answer.
        advice: What to do where it cannot be written.
    """

    @property
    def label(self) -> str: ...

    @property
    def retry_timeout_s(self) -> float: ...

    @property
    def advice(self) -> str: ...

    def study_name(self, part: Part) -> str:
        """The name of one of its two studies in Optuna."""

    def exists(self) -> bool:
        """Whether a whole study is there.

        Raises:
            StudyError: That cannot be asked.
        """

    def check_intact(self) -> None:
        """Make sure that the study, when there is one, can be relied on.

        Raises:
            StudyError: It is corrupt, or does not answer.
        """

    def lock(self) -> StudyLock:
        """Lock the study for this process.

        Raises:
            StudyError: Another process holds it.
        """

    def in_use(self) -> bool:
        """Whether a process holds the study's lock now."""

    def open(self) -> "optuna.storages.RDBStorage":
        """Open Optuna's storage, with its tables, which are made where they are missing; `close_storage` closes it."""

    def create(self, fill: "Callable[[optuna.storages.RDBStorage], None]") -> None:
        """Make the study, so that whoever looks sees a whole one or none.

        Args:
            fill: Writes both studies into an opened storage; the `settings` of the search come last.
        """

    def remove(self) -> None:
        """Delete the study."""

    def is_transient(self, error: BaseException) -> bool:
        """Whether a write that met an error may succeed when it is tried again later."""


def close_storage(storage: "optuna.storages.RDBStorage") -> None:
    """Close every connection of Optuna's storage."""
    storage.remove_session()
    storage.engine.dispose()
