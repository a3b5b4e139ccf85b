"""The `ghostnas` command: thin commands over the rooms below, one file each.

This package is the only place that prints to the user and sets exit codes: 0 done, 2 the request cannot be carried out
as given (one message, no traceback), 130 interrupted. Heavy libraries are imported inside the commands.
"""

import sys

from nas.errors import GhostnasError
from nas.util import environment, streams, termination
from nas.util.printable import printable


def main() -> None:
    """Entry point of the `ghostnas` command."""
    termination.listen()
    output = streams.sound()
    try:
        environment.settle()
        from nas.cli.app import run  # Typer, too, only where the module path is in order

        sys.exit(run())
    except GhostnasError as error:
        print("ghostnas:", "\n".join(map(printable, error.args)), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("ghostnas: interrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        sys.stdout.flush()
        if output is not None and output.lost:
            sys.exit(2)
