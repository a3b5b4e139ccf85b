"""A study in a PostgreSQL database, which holds those of many searches: scores and settings, no weights."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from nas.errors import StudyError
from nas.study.advisory_lock import AdvisoryLock, lock_held, lock_key
from nas.study.postgres_connection import address_of, connect, unreachable
from nas.study.storage import PARTS, SEARCH, ConnectionLost, Part, close_storage
from nas.util.passwords import without_password

if TYPE_CHECKING:
    import optuna
    import psycopg

T = TypeVar("T")

RETRY_TIMEOUT_S = 300.0
"""How long a write is tried again: longer than a database takes to restart, or to move to another host."""

_TABLES_LOCK = lock_key("/tables")
"""Held while Optuna's tables are made; no study has this name."""

_WHOLE = """
SELECT 1 FROM studies JOIN study_user_attributes USING (study_id) WHERE study_name = %s AND key = 'settings'
"""


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A study in a PostgreSQL database.

    Attributes:
        url: Of the database, as `check_url` takes it; a password in it is shown nowhere.
        name: Of the study in the database.
    """

    url: str = field(repr=False)
    name: str

    @property
    def label(self) -> str:
        """The study's name and the database, without a password."""
        return f"{self.name} in {without_password(self.url)}"

    def is_same(self, other: "PostgresDatabase") -> bool:
        """Whether two studies are one: user, password and parameters of the connection do not matter."""
        return self.name == other.name and address_of(self.url) == address_of(other.url)

    @property
    def retry_timeout_s(self) -> float:
        """How long a write is tried again."""
        return RETRY_TIMEOUT_S

    @property
    def advice(self) -> str:
        """What to do where it cannot be written."""
        return "see that the database can be written"

    def study_name(self, part: Part) -> str:
        """The search's name and the part's: a name is there once in a database."""
        return f"{self.name}/{part}"

    def exists(self) -> bool:
        """Whether the study is there, with its settings, which are written last.

        Raises:
            StudyError: The database does not answer, or does not let this user read.
        """
        from psycopg.errors import UndefinedTable

        def found(session: "psycopg.Connection[Any]") -> bool:
            try:
                return session.execute(_WHOLE, (self.study_name(SEARCH),)).fetchone() is not None
            except UndefinedTable:
                return False  # nothing of Optuna has been stored yet

        return self._asked(found)

    def check_intact(self) -> None:
        """Make sure that the database answers; that its files are sound is the server's business.

        Raises:
            StudyError: It does not answer.
        """
        self._asked(lambda session: session.execute("SELECT 1"))

    def lock(self) -> AdvisoryLock:
        """Lock the study; a session of its own holds the lock.

        Raises:
            StudyError: Another process holds it, or the database does not answer.
        """
        return AdvisoryLock(self.url, self.name, self.label)

    def in_use(self) -> bool:
        """Whether a session holds the study's lock now.

        Raises:
            StudyError: The database does not answer.
        """
        return self._asked(lambda session: lock_held(session, self.name))

    def open(self) -> "optuna.storages.RDBStorage":
        """Open Optuna's storage. An idle connection may be dropped on its way, so each is tried before it is used.

        Raises:
            ConnectionLost: The database does not answer.
            StudyError: It holds tables that are not those of this Optuna.
        """
        import optuna
        import psycopg

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            with connect(self.url, autocommit=True) as session:
                # Optuna makes its tables where they are missing, and two that do so at once fail.
                session.execute("SELECT pg_advisory_lock(%s)", (_TABLES_LOCK,))
                # The URL says only what kind of database it is: Optuna keeps it, and its password would be kept too.
                storage = optuna.storages.RDBStorage(
                    "postgresql+psycopg://",
                    engine_kwargs={"creator": lambda: connect(self.url), "pool_pre_ping": True},
                    skip_compatibility_check=True,  # it would leave connections open
                )
        except psycopg.Error as error:
            raise ConnectionLost(str(error)) from error
        if storage.get_current_version() != storage.get_head_version():
            close_storage(storage)
            raise StudyError(
                f"the database of {self.label} holds tables of another Optuna or of another program; use an empty one"
            )
        return storage

    def create(self, fill: "Callable[[optuna.storages.RDBStorage], None]") -> None:
        """Make the study; what a killed process left of an earlier attempt is deleted first."""
        storage = self.open()
        try:
            self._delete(storage)
            fill(storage)
        finally:
            close_storage(storage)

    def remove(self) -> None:
        """Delete the study from the database."""
        storage = self.open()
        try:
            self._delete(storage)
        finally:
            close_storage(storage)

    def is_transient(self, error: BaseException) -> bool:
        """Whether the database does not answer, restarts, moves, is full or has too many connections."""
        from psycopg import InterfaceError, OperationalError
        from psycopg.errors import ReadOnlySqlTransaction  # of a server that was the primary, or is not yet

        return isinstance(error, OperationalError | InterfaceError | ReadOnlySqlTransaction | ConnectionLost)

    def _delete(self, storage: "optuna.storages.RDBStorage") -> None:
        for part in PARTS:
            with suppress(KeyError):
                storage.delete_study(storage.get_study_id_from_name(self.study_name(part)))

    def _asked(self, question: "Callable[[psycopg.Connection[Any]], T]") -> T:
        """The answer to a question that is asked on a connection of its own.

        Raises:
            StudyError: There is none.
        """
        import psycopg

        try:
            with connect(self.url) as session:
                return question(session)
        except psycopg.Error as error:
            raise unreachable(self.url, error) from error
