"""The first thing that runs on a device: keeps the agent's package there, and starts the agent from it.

The text of this file goes to the device through ssh and is run there before anything of ghostnas is, so it imports only
the standard library. Standard input: one JSON line with the package's `digest` and `size`, then, when asked for, its
bytes. Standard output: one JSON line `{"ok": {"want": true or false}}`, after a wanted package `{"ok": {}}`, then the
agent's replies; or `{"error": text, "kind": "LatencyError"}`.
"""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import BinaryIO


def reply(message: object) -> None:
    """Write one JSON line to standard output."""
    print(json.dumps(message), flush=True)


def refuse(text: str) -> None:
    """Say why the agent cannot run here, and end."""
    reply({"error": text, "kind": "LatencyError"})
    sys.exit(0)


def is_intact(path: Path, digest: str) -> bool:
    """Whether the package is there and is what its name says."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def receive(source: BinaryIO, path: Path, digest: str, size: int) -> None:
    """Take the package from standard input; it is there whole or not at all."""
    data = source.read(size)
    if hashlib.sha256(data).hexdigest() != digest:
        refuse(f"the agent's package arrived damaged on the device ({len(data)} of {size} bytes); try again")
    draft = path.with_name(f"{digest}.{os.getpid()}.part")
    draft.write_bytes(data)
    draft.replace(path)


def launch(source: BinaryIO) -> None:
    """Receive the package where it is missing, and become the agent.

    Args:
        source: Standard input.
    """
    header = json.loads(source.readline())
    home = Path(os.environ.get("GHOSTNAS_CACHE") or "~/.cache/ghostnas-agent").expanduser()
    os.environ["GHOSTNAS_CACHE"] = str(home)
    package = home / f"{header['digest']}.zip"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        missing = not is_intact(package, header["digest"])
        reply({"ok": {"want": missing}})
        if missing:
            receive(source, package, header["digest"], header["size"])
            reply({"ok": {}})
    except OSError as error:
        refuse(f"cannot write in {home} on the device: {error}; set GHOSTNAS_CACHE there to another folder")
    # Modules come from the package and the installation, never from the folder that the shell started in.
    sys.path[:] = [str(package), *filter(None, sys.path)]
    from nas.latency.agent.server import main

    main()


if __name__ == "__main__":
    launch(sys.stdin.buffer)
