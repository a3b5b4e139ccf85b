"""ssh:// addresses, and the ssh command that reaches one.

The system's OpenSSH does the work, so `~/.ssh/config` holds: names, keys, jump hosts. Host keys are checked strictly,
and nothing is ever asked at a terminal. Every part of an address is matched against what it may be before it is used,
none goes through a local shell, and what the device's shell is given is a constant and a checked, quoted path.
"""

import hashlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

from nas.errors import UsageError
from nas.latency.agent.package import START
from nas.util.paths import cache_dir, cache_subdir

DEFAULT_PYTHON = "python3"

_URL = re.compile(
    r"ssh://(?:(?P<user>[^@/?#]*)@)?(?P<host>\[[^\]]*\]|[^\[\]:/?#@]*)(?::(?P<port>[^/?#]*))?/?(?:\?(?P<query>[^#]*))?"
)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?")
_PYTHON = re.compile(r"/?[A-Za-z0-9_.+][A-Za-z0-9_.+-]*(/[A-Za-z0-9_.+-]+)*")
_SHAPE = "ssh://user@host[:port][?python=/path/to/python]"

_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./+-]+")
# A Unix socket's path holds 107 bytes, and ssh appends 17 to its name while it makes one.
_LONGEST_SOCKET = 90
_KEEP_OPEN_S = 60
_ALIVE_EVERY_S = 5
_ALIVE_MISSES = 4
_CONNECT_S = 15


@dataclass(frozen=True, slots=True)
class Address:
    """A device at the other end of ssh; checked when made.

    Attributes:
        host: Name (also one of `~/.ssh/config`) or IP address.
        user: Name to log in with; None leaves it to ssh's configuration.
        port: Port; None leaves it to ssh's configuration.
        python: Program on the device that runs the agent.
        ssh_config: ssh configuration file to use in place of the user's.
    """

    host: str
    user: str | None = None
    port: int | None = None
    python: str = DEFAULT_PYTHON
    ssh_config: str | None = None

    def __post_init__(self) -> None:
        """Check every part.

        Raises:
            UsageError: A part is not what it may be.
        """
        _check("host", self.host, _IPV6 if ":" in self.host else _NAME, "a name or an IP address, not starting with -")
        if self.user is not None:
            _check("user", self.user, _USER, "letters, digits, and _ . - after the first")
        if self.port is not None and not 0 < self.port < 65536:
            raise UsageError(f"the port of an ssh address must be 1 to 65535, got {self.port}")
        _check("python", self.python, _PYTHON, "a program's name or path of letters, digits and / _ . + -")
        if self.ssh_config is not None and not Path(self.ssh_config).is_absolute():
            raise UsageError(f"ssh_config must be an absolute path, got {self.ssh_config!r}")

    @property
    def url(self) -> str:
        """The address as text, without what is the default."""
        user = "" if self.user is None else f"{self.user}@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        asked = {} if self.python == DEFAULT_PYTHON else {"python": self.python}
        if self.ssh_config is not None:
            asked["ssh_config"] = self.ssh_config
        query = "?" + urlencode(asked, safe="/", quote_via=quote) if asked else ""
        return f"ssh://{user}{host}{port}{query}"

    @property
    def label(self) -> str:
        """The address as a person would say it in a message: without Python and configuration."""
        return self.url.partition("?")[0]


def parse_address(text: str) -> Address:
    """Read `ssh://user@host[:port][?python=...][&ssh_config=...]`.

    Raises:
        UsageError: It is not such an address; the message says which part is wrong.
    """
    match = _URL.fullmatch(text)
    if match is None:
        raise UsageError(f"an ssh address looks like {_SHAPE}, got {text!r}")
    port = match["port"]
    if port is not None and not re.fullmatch(r"[0-9]{1,5}", port):
        raise UsageError(f"the port of an ssh address must be 1 to 65535, got {port!r} in {text!r}")
    asked = dict(parse_qsl(match["query"] or "", keep_blank_values=True))
    for name in asked:
        if name not in ("python", "ssh_config"):
            raise UsageError(f"an ssh address takes ?python= and ?ssh_config=, got {name!r} in {text!r}")
    return Address(
        host=match["host"].strip("[]"),
        user=match["user"],
        port=None if port is None else int(port),
        python=asked.get("python", DEFAULT_PYTHON),
        ssh_config=asked.get("ssh_config"),
    )


def ssh_command(address: Address) -> list[str]:
    """The command whose standard input and output are those of the agent on the device."""
    command = ["ssh", "-T", "-x", "-a"]
    if address.ssh_config is not None:
        command += ["-F", address.ssh_config]
    for option in _options(address):
        command += ["-o", option]
    if address.port is not None:
        command += ["-p", str(address.port)]
    if address.user is not None:
        command += ["-l", address.user]
    return [*command, "--", address.host, f"exec {shlex.quote(address.python)} -c {shlex.quote(START)}"]


def _options(address: Address) -> Iterator[str]:
    yield "BatchMode=yes"
    yield "StrictHostKeyChecking=yes"
    yield "ClearAllForwardings=yes"
    yield "LogLevel=ERROR"
    yield f"ConnectTimeout={_CONNECT_S}"
    yield f"ServerAliveInterval={_ALIVE_EVERY_S}"
    yield f"ServerAliveCountMax={_ALIVE_MISSES}"
    socket = _socket(address)
    if socket is not None:
        yield "ControlMaster=auto"
        yield f"ControlPath={socket}"
        yield f"ControlPersist={_KEEP_OPEN_S}"


def _socket(address: Address) -> str | None:
    """Where connections to the address are shared; None where the cache folder's path is none that ssh takes."""
    name = hashlib.sha256(address.url.encode()).hexdigest()[:12]
    path = str(cache_dir() / "ssh" / name)
    if len(path) > _LONGEST_SOCKET or not _PLAIN_PATH.fullmatch(path):
        return None
    cache_subdir("ssh", needed_bytes=2**20).chmod(0o700)  # whoever can write there could take the connection
    return path


def _check(what: str, value: str, pattern: re.Pattern[str], rule: str) -> None:
    if not pattern.fullmatch(value):
        raise UsageError(f"the {what} of an ssh address must be {rule}; got {value!r} (it looks like {_SHAPE})")
