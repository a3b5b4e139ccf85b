"""SIGTERM: a warning that this process is about to be killed, as a job scheduler gives it."""

import signal
from types import FrameType

_asked = False


def listen() -> None:
    """Let SIGTERM end what runs as a Ctrl-C does, and be remembered."""
    signal.signal(signal.SIGTERM, _terminate)


def asked() -> bool:
    """Whether SIGTERM came: there is no time for anything else then."""
    return _asked


def _terminate(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True
    raise KeyboardInterrupt
