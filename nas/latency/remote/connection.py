"""A link to an agent: questions and answers with a process here or on a device.

    with open_link("ssh://pi@192.168.1.7") as link:
        print(link.ask({"do": "hello"}, timeout_s=30)["fingerprint"])

A connection that breaks and an answer that does not come in time are `DeviceLost`; an agent that dies on a device that
is still there is `Unmeasurable`. Neither is an answer, and both are worth trying again (`patience.py`), the first for
half an hour, the second a few times, since it may be the model that kills the agent. What trying again cannot mend,
such as an unknown host key, is a plain `LatencyError`.
"""

import base64
import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from nas import errors
from nas.errors import DeviceLost, GhostnasError, LatencyError, Unmeasurable
from nas.latency.agent.package import agent_package
from nas.latency.remote.process import AgentProcess, ProcessExited, TimedOut
from nas.latency.remote.ssh import Address, parse_address, ssh_command
from nas.util.environment import module_path

LOCAL = "local"

_BEGIN_S = 60.0
_ANSWER_S = 30.0
_SLOWEST_BYTES_A_S = 100_000.0
_MOST_CHATTER = 100
_SSH_FAILED = 255

# What ssh says when trying again is of no use, and what to do then.
_HOPELESS = {
    "Host key verification failed": "its host key is not known here, or is another than before; log in once by hand "
    "({}), compare the fingerprint, and accept the key",
    "Permission denied": "it does not let this user in without a password; set up a key (ssh-copy-id), and test it "
    "with {}",
    "Too many authentication failures": "ssh offers it too many keys; name one with IdentityFile and IdentitiesOnly in "
    "~/.ssh/config, and test it with {}",
    "Bad configuration option": "the ssh configuration has a mistake",
    "Can't open user config file": "the ssh configuration file cannot be read",
}


def connect(place: str, *, timeout_s: float = _BEGIN_S) -> "AgentConnection":
    """Start an agent and connect to it.

    Args:
        place: `local`, or an ssh:// address.
        timeout_s: The longest that each step of the beginning may take.

    Raises:
        UsageError: The place is neither.
        DeviceLost: The device cannot be reached.
        LatencyError: It can be reached, but the agent cannot run there; the message says what to do.
    """
    if place == LOCAL:
        return _open_local()
    address = parse_address(place)
    pipes = _started(ssh_command(address), os.environ)
    link = AgentConnection(address.label, pipes, address)
    try:
        link.launch(timeout_s)
    except BaseException:
        link.abandon()
        raise
    return link


def _open_local() -> "AgentConnection":
    # -P keeps the current folder off the module path: a folder `nas` there must not be taken for this one.
    command = [sys.executable, "-P", "-m", "nas.latency.agent"]
    return AgentConnection("the measuring process", _started(command, {**os.environ, "PYTHONPATH": module_path()}))


def _started(command: Sequence[str], environment: Mapping[str, str]) -> AgentProcess:
    try:
        return AgentProcess(command, environment)
    except OSError as error:
        raise LatencyError(f"cannot run {command[0]}: {error.strerror or error}; install it") from error


class AgentConnection:
    """A running agent. One question at a time; not for several threads."""

    def __init__(self, name: str, pipes: AgentProcess, address: Address | None = None) -> None:
        """Use a started process; `connect` is the way to get one.

        Args:
            name: What messages call it.
            pipes: The process.
            address: Where it runs, when it is reached through ssh.
        """
        self._name, self.pipes, self._address = name, pipes, address
        self.alive = True

    def ask(self, request: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Args:
            request: What to do, as `{"do": NAME, ...}`.
            timeout_s: The longest wait; the agent is given up after it.

        Raises:
            DeviceLost: The connection broke, or no answer came in time.
            Unmeasurable: The agent died.
            GhostnasError: The class that the agent's answer names.
        """
        return self._answer(json.dumps(request).encode() + b"\n", timeout_s)

    def send_model(self, data: bytes, digest: str) -> None:
        """Make sure that the agent has a model; its bytes travel only when it has not.

        Raises:
            DeviceLost: As in `ask`.
            LatencyError: It arrived damaged, or the device has no room for it.
        """
        if not self.ask({"do": "have", "digest": digest}, _ANSWER_S)["have"]:
            text = base64.b64encode(data).decode("ascii")
            self.ask({"do": "put", "digest": digest, "data": text}, _ANSWER_S + len(text) / _SLOWEST_BYTES_A_S)

    def launch(self, timeout_s: float) -> None:
        """Start the agent at the other end of ssh; its package travels only when the device has not got it.

        Raises:
            DeviceLost: The device cannot be reached.
            LatencyError: The agent cannot run there.
        """
        package = agent_package()
        if self._answer(package.greeting(), timeout_s, chatter=_MOST_CHATTER)["want"]:
            self._answer(package.data, timeout_s + len(package.data) / _SLOWEST_BYTES_A_S)

    def close(self) -> None:
        """End the agent."""
        if self.alive:
            self.alive = False
            self.pipes.close()

    def abandon(self) -> None:
        """End the agent at once, whatever it is doing."""
        if self.alive:
            self.alive = False
            self.pipes.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # After a Ctrl-C the agent may be in the middle of a measurement that nobody waits for any more.
        if error is None:
            self.close()
        else:
            self.abandon()

    def _answer(self, message: bytes, timeout_s: float, chatter: int = 0) -> dict[str, Any]:
        """Send bytes and read the reply; `chatter` lines before it, of a shell's start-up files, are passed over."""
        if not self.alive:
            raise DeviceLost(f"{self._name} has ended")
        try:
            line = self.pipes.exchange(message, timeout_s)
            while (reply := _reply(line)) is None and chatter:
                chatter -= 1
                line = self.pipes.exchange(b"", timeout_s)
        except TimedOut:
            self.abandon()
            raise DeviceLost(f"{self._name} gave no answer within {timeout_s:g} s") from None
        except ProcessExited:
            raise self._ended() from None
        except BaseException:
            self.abandon()  # an answer that nobody waited for would be taken for the next one
            raise
        if reply is None:
            self.abandon()
            raise LatencyError(f"{self._name} does not speak as an agent does; it said {line[:80]!r}")
        if "error" in reply:
            raise _named(str(reply.get("kind")))(reply["error"])
        return dict(reply["ok"])

    def _ended(self) -> LatencyError:
        code = self.pipes.wait()
        words = self.pipes.stderr_tail()
        self.abandon()
        text = "\n".join(words)
        last = words[-1] if words else "it said nothing"
        if self._address is not None:
            by_hand = shlex.join(_by_hand(self._address))
            for sign, advice in _HOPELESS.items():
                if sign in text:
                    return LatencyError(f"{self._name} cannot be used: {advice.format(by_hand)} (ssh: {last})")
            if code in (126, 127):
                return LatencyError(
                    f"{self._name} has no program {self._address.python!r} that runs there ({last}); name its Python "
                    "with ?python=/path/to/python in the address"
                )
        ended = "was lost" if code is None else f"ended with {_meaning(code)}"
        # Code 255 is ssh's own: the connection. Any other is the agent's, whose device is there.
        kind = DeviceLost if self._address is not None and code in (None, _SSH_FAILED) else Unmeasurable
        return kind(f"{self._name} {ended}: {last}")


def _meaning(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"


def _by_hand(address: Address) -> list[str]:
    config = [] if address.ssh_config is None else ["-F", address.ssh_config]
    port = [] if address.port is None else ["-p", str(address.port)]
    target = address.host if address.user is None else f"{address.user}@{address.host}"
    return ["ssh", *config, *port, target]


def _reply(line: bytes) -> dict[str, Any] | None:
    """A reply, or None for any other line."""
    try:
        reply = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(reply, dict) and (isinstance(reply.get("ok"), dict) or isinstance(reply.get("error"), str))
    return reply if known else None


def _named(kind: str) -> type[GhostnasError]:
    """The exception of a name; `LatencyError` for one that is not known here."""
    found = getattr(errors, kind, None)
    return found if isinstance(found, type) and issubclass(found, GhostnasError) else LatencyError
