"""Connections to PostgreSQL: the URL that a user gives, and the driver that opens it."""

from typing import TYPE_CHECKING, Any

from nas.errors import StudyError, UsageError
from nas.util.passwords import masked, without_password

if TYPE_CHECKING:
    import psycopg

SCHEME = "postgresql://"
EXAMPLE = f"{SCHEME}USER@HOST/DATABASE"
PIP_COMMAND = 'pip install "psycopg[binary]"'

_PARAMETERS: dict[str, Any] = {
    "application_name": "ghostnas",
    "connect_timeout": 10,
    # A host that is gone without a word is noticed within a minute.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""Parameters of every connection that the URL does not set."""


def check_url(url: str) -> str:
    """Refuse what is no URL of a PostgreSQL database; nothing is connected.

    Args:
        url: What a user gives. Without a password that comes from PGPASSWORD or ~/.pgpass, as for psql.

    Returns:
        The URL.

    Raises:
        UsageError: It is none, or psycopg is not installed.
    """
    if not url.startswith(SCHEME):
        raise UsageError(
            f"a study is stored in its results folder, or in {EXAMPLE}; {masked(url)!r} is no such address"
        )
    try:
        import psycopg  # noqa: F401
    except ImportError as error:  # also where it finds no libpq
        why = " ".join(str(error).split())
        raise UsageError(f"a study in PostgreSQL needs psycopg ({why}); {PIP_COMMAND}") from error
    place, _, database = url.removeprefix(SCHEME).partition("/")
    users, *others = place.split("@")
    if len(others) > 1 or (others and "?" in users) or "@" in database or not _parameters(url).get("dbname"):
        raise UsageError(
            f"{masked(url)!r} is no address such as {EXAMPLE}, with :PORT and ?PARAMETERS where they are needed; "
            "other characters than letters and digits in its parts are percent-encoded, such as %40 for @"
        )
    return url


def address_of(url: str) -> tuple[str | None, ...]:
    """Host, port and database of a URL that `check_url` took."""
    found = {"port": "5432", **_parameters(url)}
    return tuple(found.get(name) for name in ("host", "hostaddr", "port", "dbname"))


def _parameters(url: str) -> dict[str, Any]:
    """The parameters of a URL; none where it cannot be read, whose error may hold the password."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        found: dict[str, Any] = conninfo_to_dict(url)
    except ProgrammingError:
        return {}
    return found


def connect(url: str, *, autocommit: bool = False) -> "psycopg.Connection[Any]":
    """A new connection.

    Args:
        url: A URL that `check_url` took.
        autocommit: Whether every statement is a transaction of its own.

    Raises:
        psycopg.OperationalError: The database does not answer, or does not let this user in.
    """
    import psycopg

    return psycopg.connect(**{**_PARAMETERS, **_parameters(url)}, autocommit=autocommit)


class DatabaseUnreachable(StudyError):
    """A database that does not answer, or lets nobody in."""


def unreachable(url: str, error: Exception) -> DatabaseUnreachable:
    """The error where a database does not answer, or lets nobody in.

    Args:
        url: Its URL.
        error: What the driver met.
    """
    why = " ".join(str(error).split())
    how = "; set PGPASSWORD, or write it into ~/.pgpass" if "password" in why else ""
    return DatabaseUnreachable(f"the study in {without_password(url)} cannot be reached: {why}{how}")
