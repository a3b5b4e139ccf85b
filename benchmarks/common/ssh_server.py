"""A real OpenSSH server on a free port of 127.0.0.1, with keys of its own, for the user who starts it."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


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
        """The address of an agent there.

        Args:
            python: Program that runs it.
            config: The client's ssh configuration, a file of `folder`.
        """
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}?python={python}&ssh_config={self.folder / config}"

    def agents(self) -> list[psutil.Process]:
        """The agents that are connected."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        return [one for one in family if "python" in one.name()]

    def drop_connections(self) -> None:
        """Kill every session, as a device does that loses power."""
        for child in psutil.Process(self.process.pid).children(recursive=False):
            with suppress(psutil.NoSuchProcess):
                child.kill()


def missing() -> str | None:
    """Why no server can run here, and what to do; None where one can."""
    if _sshd() is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        return "OpenSSH's server is not installed (apt-get install openssh-server)"
    if os.getuid() == 0 and not Path("/run/sshd").is_dir():
        return "sshd run by root needs the folder /run/sshd (mkdir -p /run/sshd)"
    return None


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A running server.

    Args:
        folder: For its files.

    Raises:
        RuntimeError: None can run here, or it does not start.
    """
    sshd = _sshd()
    if sshd is None or (why := missing()) is not None:
        raise RuntimeError(why)
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


def _sshd() -> str | None:
    # An absolute path, because sshd starts itself again; it is in no ordinary user's PATH.
    return shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


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
    raise RuntimeError(f"sshd did not start: {(server.folder / 'log').read_text()}")
