"""A real OpenSSH server on a free port of 127.0.0.1, with keys of its own, for the user who runs the tests."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

NEEDED = "GHOSTNAS_TEST_SSHD"
"""Set where a missing server must fail the tests instead of skipping them."""


@dataclass
class Server:
    """A running server.

    Attributes:
        folder: Its keys, its log, and `config`, the ssh configuration of a client that may log in.
        port: Where it listens.
        device_cache: The cache folder of agents there.
        process: The listening process.
    """

    folder: Path
    port: int
    device_cache: Path
    process: "subprocess.Popen[bytes]"

    def url(self, python: str, config: str = "config") -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}?python={python}&ssh_config={self.folder / config}"

    def drop_connections(self) -> None:
        """Kill every session, as a device does that loses power."""
        for child in psutil.Process(self.process.pid).children(recursive=False):
            with suppress(psutil.NoSuchProcess):
                child.kill()


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    sshd = _sshd()
    device_cache = folder / "device"
    for name in ("host", "user", "other"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True, timeout=30
        )
    port = _free_port()
    (folder / "authorized_keys").write_text((folder / "user.pub").read_text())
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "other_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'other.pub').read_text()}")
    (folder / "no_hosts").touch()
    for config, key, hosts in (
        ("config", "user", "known_hosts"),
        ("config-stranger", "user", "no_hosts"),
        ("config-changed", "user", "other_hosts"),
        ("config-locked-out", "other", "known_hosts"),
    ):
        (folder / config).write_text(
            f"IdentityFile {folder / key}\nIdentitiesOnly yes\nIdentityAgent none\n"
            f"UserKnownHostsFile {folder / hosts}\nGlobalKnownHostsFile /dev/null\n"
        )
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder / 'host'}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder / 'authorized_keys'}\nPasswordAuthentication no\n"
        f"KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nSetEnv GHOSTNAS_CACHE={device_cache}\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
    server = Server(folder, port, device_cache, process)
    try:
        _wait_until_it_listens(server)
        yield server
    finally:
        server.drop_connections()
        process.terminate()
        process.wait(10)


def _sshd() -> str:
    # An absolute path, because sshd starts itself again; it is in no ordinary user's PATH.
    found = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    missing = None
    if found is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        missing = "OpenSSH's server is not installed (apt-get install openssh-server)"
    elif os.getuid() == 0 and not Path("/run/sshd").is_dir():
        missing = "sshd run by root needs the folder /run/sshd (mkdir -p /run/sshd)"
    if missing is not None:
        if os.environ.get(NEEDED):
            pytest.fail(missing)
        pytest.skip(missing)
    assert found is not None
    return found


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until_it_listens(server: Server) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=1):
            return
        time.sleep(0.05)
    pytest.fail(f"sshd did not start: {(server.folder / 'log').read_text()}")


def freeze(pid: int) -> None:
    """Stop a process in the middle of whatever it does."""
    os.kill(pid, signal.SIGSTOP)


def end(pid: int) -> None:
    """End a process, also a stopped one."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
