"""`ghostnas study`: where the study of a search lies."""

from pathlib import Path

import typer


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    study = typer.Typer(no_args_is_help=True, help="Where the study of a search lies.")
    study.command("copy")(copy)
    app.add_typer(study, name="study")


def copy(
    source: str = typer.Argument(
        metavar="FROM", help="A run's name or results folder, or postgresql://USER@HOST/DATABASE."
    ),
    target: str = typer.Argument(metavar="TO", help="The other of the two: where the study shall lie."),
    name: str | None = typer.Option(
        None, help="Name of the study in the database.", show_default="the results folder's name"
    ),
    out: Path = typer.Option(Path("results"), help="Folder that holds the runs."),
) -> None:
    """Move a search's study between its results folder and a PostgreSQL database; what it is copied from is kept."""
    from nas.results import move_study
    from nas.util.printable import printable

    moved = move_study(source, target, name, out)
    typer.echo(
        f"{moved.copied.candidates} candidates and {moved.copied.baselines} baselines: "
        f"{printable(moved.source)} -> {printable(moved.target)}"
    )
    typer.echo(printable(moved.left))
