"""The `ghostnas` command by a name of its own: a folder `nas` on PYTHONPATH must not be taken for this one."""

import sys
from pathlib import Path

_HOME = str(Path(__file__).resolve().parent)


def main() -> None:
    """Entry point of the `ghostnas` command."""
    sys.path.insert(0, _HOME)
    from nas.cli import main

    sys.path.remove(_HOME)
    main()


if __name__ == "__main__":
    main()
