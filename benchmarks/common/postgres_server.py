"""A PostgreSQL server of one's own: on loopback, in a temporary folder, killed and started again at will."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psutil

USER, PASSWORD = "ghost", "se:cr@t/1"
"""A password with characters that a URL has to encode."""

ENCODED = "se%3Acr%40t%2F1"

_NUMBERS = count(1)


def missing() -> str | None:
    """Why no server can run here, and what to do; None where one can."""
    if find_spec("psycopg") is None:
        return 'psycopg is not installed (pip install "psycopg[binary]")'
    if _programs() is None:
        return "there is no PostgreSQL server here (apt-get install postgresql)"
    if _account() is None:
        return "PostgreSQL does not run as root, and there is no user postgres or nobody"
    return None


@contextmanager
def serving() -> "Iterator[PostgresServer]":
    """A running server, deleted in the end.

    Raises:
        RuntimeError: None can run here.
    """
    server = PostgresServer()
    try:
        yield server
    finally:
        server.close()


def _programs() -> Path | None:
    """The folder of PostgreSQL's programs, which Debian keeps away from the PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(folders) if (folder / "postgres").is_file()), None)


def _account() -> pwd.struct_passwd | None:
    """Who runs the server, which refuses to be root; None where root has nobody to lend."""
    if os.getuid():
        return pwd.getpwuid(os.getuid())
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


class PostgresServer:
    """A server in a folder; `stop` keeps its data."""

    def __init__(self) -> None:
        """Make it and start it.

        Raises:
            RuntimeError: None can run here, or it does not start.
        """
        programs, account = _programs(), _account()
        if programs is None or account is None:
            raise RuntimeError(missing())
        self._programs, self._account = programs, account
        self._folder = Path(tempfile.mkdtemp(prefix="ghostnas-postgres-", dir="/tmp"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        words = self._folder / "password"
        words.write_text(PASSWORD)
        for path in (self._folder, words):
            os.chown(path, account.pw_uid, account.pw_gid)
        command = ["initdb", "-D", str(self._folder / "data"), "-U", USER, "-A", "scram-sha-256"]
        self._popen([*command, f"--pwfile={words}", "-E", "UTF8", "--no-sync", "--locale=C"]).communicate(timeout=120)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def url(self, database: str = "postgres", password: str | None = ENCODED) -> str:
        """The URL of a database."""
        user = USER if password is None else f"{USER}:{password}"
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> list[Any]:
        """Rows of a statement in the database `postgres`."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as session:
            done = session.execute(statement)
            return done.fetchall() if done.description else []

    def new_database(self, password: str | None = ENCODED) -> str:
        """The URL of an empty database."""
        name = f"ghost{next(_NUMBERS)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name, password)

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            RuntimeError: It does not start.
        """
        (self._folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
        words = [word for option in options for word in ("-c", option)]
        self._process = self._popen(["postgres", "-D", str(self._folder / "data"), *words])
        deadline = time.monotonic() + 60
        while True:
            try:
                self.execute("SELECT 1")
                return
            except Exception as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError("PostgreSQL does not start") from error
                time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGQUIT, *, every_process: bool = False) -> None:
        """Stop it: at once, or (SIGKILL) as when its machine loses power.

        Args:
            how: The signal.
            every_process: Whether all its processes get the signal, and not the first alone.
        """
        if self._process is not None:
            family = psutil.Process(self._process.pid).children(recursive=True) if every_process else []
            self._process.send_signal(how)
            for one in family:
                if one.is_running():
                    one.send_signal(how)
            self._process.communicate(timeout=60)
            self._process = None
        if how == signal.SIGKILL:
            time.sleep(0.5)  # its children see that it is gone, and end

    def close(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _popen(self, words: list[str]) -> "subprocess.Popen[bytes]":
        other: dict[str, Any] = {}
        if self._account.pw_uid != os.getuid():
            other = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        return subprocess.Popen(
            [str(self._programs / words[0]), *words[1:]],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **other,
        )
