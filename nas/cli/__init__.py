"""The `ghostnas` command: thin commands over the rooms below, one file each.

This package is the only place that prints to the user and sets exit codes: 0 done, 2 the request cannot be carried out
as given (one message, no traceback), 130 interrupted. Heavy libraries are imported inside the commands.
"""

import signal
import sys

from nas.cli.app import build_app
from nas.errors import GhostnasError


def main() -> None:
    """Entry point of the `ghostnas` command."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a job scheduler's warning is a Ctrl-C
    try:
        build_app()()
    except GhostnasError as error:
        print(f"ghostnas: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("ghostnas: interrupted", file=sys.stderr)
        sys.exit(130)
