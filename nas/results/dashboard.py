"""Serves a run's study with optuna-dashboard, for looking only.

The dashboard has no authentication and could delete the study of a search in progress, so it listens on the
loopback address unless another is given, and every request that would change the study or is foreign is refused
(`dashboard_guard.py`).
"""

import errno
import importlib.util
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from nas.errors import StudyError, UsageError
from nas.results.dashboard_guard import guarded
from nas.study import close_storage, storage_of

if TYPE_CHECKING:
    import optuna

PIP_COMMAND = "pip install optuna-dashboard"


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # WSGIServer's own asks the name service for the host's full name, which can take seconds offline.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the page asks for news every few seconds."""


@contextmanager
def server(run: Path, host: str, port: int) -> "Iterator[WSGIServer]":
    """A bound web server for a run's study; `serve_forever()` starts it.

    Args:
        run: Results folder.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.

    Raises:
        UsageError: optuna-dashboard is not installed, or the address cannot be used.
        StudyError: The run has no study that can be read.
    """
    if importlib.util.find_spec("optuna_dashboard") is None:
        raise UsageError(f"the dashboard needs optuna-dashboard, which is not installed; {PIP_COMMAND}")
    storage = _open_study(run)
    from optuna_dashboard import wsgi

    try:
        bound = _bind(host, port)
        with bound:
            bound.set_app(guarded(wsgi(storage), host))
            yield bound
    finally:
        close_storage(storage)


def _open_study(run: Path) -> "optuna.storages.RDBStorage":
    place = storage_of(run)
    if not place.exists():
        raise StudyError(f"{run} has no study yet, so there is nothing to show; start or finish its search")
    try:
        storage = place.open()
        storage.get_all_studies()
    except Exception as error:
        raise StudyError(f"{place.label} cannot be read as an Optuna study: {error}; put a good copy back") from error
    return storage


def _bind(host: str, port: int) -> WSGIServer:
    if not 0 <= port <= 65535:
        raise UsageError(f"--port must be between 0 and 65535, got {port}")
    kind: Callable[..., WSGIServer] = _Server6 if ":" in host else _Server
    try:
        return kind((host, port), _Handler)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} of {host} is in use, perhaps by another dashboard; choose another with --port"
            ) from error
        raise UsageError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; choose another --host or --port"
        ) from error
