"""The address of a Ray cluster, as a user gives it."""

import os
import re

from nas.errors import UsageError

AUTO = "auto"
PORT = 6379
"""Where `ray start --head` listens, unless it is told otherwise."""

_HOST_PORT = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s/:@\[\]]+):(?P<port>[0-9]{1,5})")


def check_address(text: str) -> str:
    """The address to join: `HOST:PORT`, or `auto` for the cluster that this machine is a node of.

    Args:
        text: What `--ray-address` was given. `auto` takes the variable `RAY_ADDRESS` where it is set.

    Raises:
        UsageError: It is no such address, or one of a Ray client.
    """
    asked = (os.environ.get("RAY_ADDRESS", "").strip() or AUTO) if text == AUTO else text
    named = f"--ray-address {text}" if asked == text else f"--ray-address auto takes RAY_ADDRESS, which is {asked};"
    if asked.startswith("ray://"):
        host = asked.removeprefix("ray://").partition("/")[0].rpartition(":")[0] or "HOST"
        raise UsageError(
            f"{named} is a Ray client's, whose search would run on another machine, and only this one may write the "
            f"study; run `ray start --address={host}:{PORT}` here and give --ray-address {host}:{PORT}"
        )
    if asked != AUTO and host_and_port(asked) is None:
        raise UsageError(f"{named} must be auto or HOST:PORT such as 192.168.1.2:{PORT}")
    return asked


def host_and_port(address: str) -> tuple[str, int] | None:
    """The parts of `HOST:PORT`; None where it is something else.

    Args:
        address: An address; of IPv6 in brackets.
    """
    if (found := _HOST_PORT.fullmatch(address)) is None or not 0 < int(found["port"]) < 2**16:
        return None
    try:
        found["host"].encode("idna")
    except UnicodeError:  # such as two dots in a row
        return None
    return found["host"].strip("[]"), int(found["port"])
