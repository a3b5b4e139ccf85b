"""A real OpenSSH server for tests, and what is done to the processes behind it."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from benchmarks.common import ssh_server
from benchmarks.common.ssh_server import Server

__all__ = ["Server", "end", "freeze", "serving"]

NEEDED = "GHOSTNAS_TEST_SSHD"
"""Set where a missing server must fail the tests instead of skipping them."""


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A running server; skips where there is none."""
    if (why := ssh_server.missing()) is not None:
        (pytest.fail if os.environ.get(NEEDED) else pytest.skip)(why)
    with ssh_server.serving(folder) as server:
        yield server


def freeze(pid: int) -> None:
    """Stop a process in the middle of whatever it does."""
    os.kill(pid, signal.SIGSTOP)


def end(pid: int) -> None:
    """End a process, also a stopped one."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
