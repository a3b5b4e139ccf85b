"""The command tree: every command's file adds itself here."""

from importlib import import_module

import typer

_COMMANDS = (
    "search",
    "status",
    "report",
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
