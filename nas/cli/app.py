"""The command tree: every command's file adds itself here."""

from importlib import import_module
from typing import Any

import typer

from nas.errors import UsageError
from nas.util.passwords import masked

_COMMANDS = (
    "search",
    "status",
    "report",
    "study",
    "latency",
    "devices",
    "space",
    "inherit",
    "export",
    "train",
    "yolo",
    "dashboard",
    "data",
    "doctor",
)

_WORDS_ERROR: Any = typer.BadParameter.__base__
"""What Typer raises of words that it cannot read. Its module changes with Typer's versions."""


def _version(show: bool) -> None:
    if show:
        from nas import __version__

        typer.echo(f"ghostnas {__version__}")
        raise typer.Exit


def build_app() -> typer.Typer:
    """The whole command line; importing it loads neither torch nor Ray."""
    app = typer.Typer(
        name="ghostnas",
        help="Find the best lightweight object detector for your data, your device and your latency target.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback()
    def root(
        version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
    ) -> None:
        """Find the best lightweight object detector for your data, your device and your latency target."""

    for name in _COMMANDS:
        import_module(f"nas.cli.{name}").add_to(app)
    return app


_INTERRUPTED = 130


def run() -> int:
    """Carry out the command line of this process; returns its exit code.

    Raises:
        KeyboardInterrupt: The user interrupted the command; typer gives it as an exit code.
        UsageError: A command, an option or a value that is not known, in one line.
    """
    try:
        code = int(build_app()(prog_name="ghostnas", standalone_mode=False) or 0)
    except _WORDS_ERROR as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.format_message(), err=True)
            return 2
        raise UsageError(_in_one_line(error)) from error
    if code == _INTERRUPTED:
        raise KeyboardInterrupt
    return code


def _in_one_line(error: Any) -> str:
    text = masked(" ".join(error.format_message().split()).rstrip("."))
    return f"{text}; see `{'ghostnas' if error.ctx is None else error.ctx.command_path} --help`"
