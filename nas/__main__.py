"""`python -m nas` is the `ghostnas` command."""

from nas.cli import main

main()
