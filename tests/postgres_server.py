"""A PostgreSQL server of the tests' own, which they kill and start again."""

import os
from collections.abc import Iterator

import pytest

from benchmarks.common.postgres_server import ENCODED, PASSWORD, PostgresServer, missing, serving

__all__ = ["ENCODED", "PASSWORD", "PostgresServer"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running server; skips where there is no PostgreSQL or no psycopg, unless GHOSTNAS_TEST_POSTGRES=required."""
    if (why := missing()) is not None:
        (pytest.fail if os.environ.get("GHOSTNAS_TEST_POSTGRES") == "required" else pytest.skip)(why)
    with serving() as server:
        yield server


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    """The URL of an empty database, with its password."""
    return postgres.new_database()
