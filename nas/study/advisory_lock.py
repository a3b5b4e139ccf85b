"""The lock of a study in PostgreSQL: an advisory lock, on a database session of its own.

The server frees it when the session ends, so that a killed process leaves none behind. A session may also end while its
process lives, as when the server restarts. Then the lock is taken again before the next write, if nobody else wrote
meanwhile.
"""

import secrets
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from nas.errors import StudyError
from nas.study.optuna_compat import set_system_attribute, system_attributes
from nas.study.postgres_connection import connect, unreachable
from nas.study.storage import ConnectionLost

if TYPE_CHECKING:
    import optuna
    import psycopg

_WRITER = "ghostnas:writer"
"""System attribute of a study: the random id of the process that opened it for writing last."""

_SESSION = """
SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;
SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'
"""
"""The server, too, notices within a minute that a host is gone, and frees its locks; it ends no idle session."""

_HELD = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND datname = current_database()
AND (classid::bigint << 32) | objid::bigint = %s
"""


class AdvisoryLock:
    """The lock of one study, held by this process."""

    def __init__(self, url: str, name: str, label: str) -> None:
        """Take it.

        Args:
            url: Of the database.
            name: Of the study in it.
            label: What messages call the study.

        Raises:
            StudyError: Another process holds it, or the database cannot be reached.
        """
        import psycopg

        self._url, self._key, self._label = url, lock_key(name), label
        self.writer_id = secrets.token_hex(8)
        self._own = True  # whether it is known that nobody else wrote since this process did
        try:
            session = self._session()
        except psycopg.Error as error:
            raise unreachable(url, error) from error
        if session is None:
            raise StudyError(
                f"{label} is in use by another ghostnas search; wait for it, or give this search a --name of its own"
            )
        self._held = session

    def set_writer(self, study: "optuna.Study") -> None:
        """Note in a study that this process is its writer."""
        set_system_attribute(study, _WRITER, self.writer_id)

    def last_writer(self, study: "optuna.Study") -> str | None:
        """The id of the process that opened the study for writing last."""
        found: str | None = system_attributes(study).get(_WRITER)
        return found

    def check(self, study: "optuna.Study") -> None:
        """Make sure that the lock is held; take it again where the session has ended.

        Raises:
            ConnectionLost: The database does not answer, or the server has not yet freed the lock.
            StudyError: Another process has had the lock meanwhile.
        """
        import psycopg

        try:
            self._held.execute("SELECT 1")
        except psycopg.Error:
            self._own = False
            self.close()
            try:
                session = self._session()
            except psycopg.Error as error:
                raise ConnectionLost(str(error)) from error
            if session is None:
                raise ConnectionLost("its lock is held by another session") from None
            self._held = session
        if not self._own:
            if self.last_writer(study) != self.writer_id:
                raise StudyError(
                    f"the connection to {self._label} was lost, and another ghostnas search went on with it meanwhile; "
                    "what was finished before is kept"
                )
            self._own = True

    def close(self) -> None:
        """Free the lock and end the session."""
        import psycopg

        with suppress(psycopg.Error):
            # The end of a session would free it too, but only soon.
            self._held.execute("SELECT pg_advisory_unlock(%s)", (self._key,))
        with suppress(psycopg.Error):
            self._held.close()

    def _session(self) -> "psycopg.Connection[Any] | None":
        """A session that holds the lock; None where another one does."""
        session = connect(self._url, autocommit=True)
        try:
            session.execute(_SESSION)
            (taken,) = session.execute("SELECT pg_try_advisory_lock(%s)", (self._key,)).fetchone() or (False,)
        except BaseException:
            session.close()
            raise
        if taken:
            return session
        session.close()
        return None


def lock_key(name: str) -> int:
    """The 64-bit number that stands for a study among the advisory locks of its database."""
    return int.from_bytes(sha256(f"ghostnas {name}".encode()).digest()[:8], "big", signed=True)


def lock_held(session: "psycopg.Connection[Any]", name: str) -> bool:
    """Whether any session of the database holds the lock of a study."""
    (count,) = session.execute(_HELD, (lock_key(name),)).fetchone() or (0,)
    return bool(count)
