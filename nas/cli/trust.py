"""The option `--trust` of every command that loads a checkpoint which a user names."""

import typer

TRUST = typer.Option(
    False,
    "--trust",
    help="Load checkpoints that need more than classes of torch, Ultralytics and ghostnas. Such a file can run any "
    "code.",
)
