"""`ghostnas report`: write a search's reports again, and open the one for a browser."""

from pathlib import Path

import typer


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def report(
        name: str = typer.Argument(help="A search's name or results folder."),
        open_it: bool = typer.Option(False, "--open", help="Open report.html in the browser."),
        out: Path = typer.Option(Path("results"), help="Folder of all results."),
    ) -> None:
        """Write report.md and report.html of a concluded search again, from its study and its folder.

        Nothing is measured or trained. Where models/ is gone, report.html is written without the parts that need
        trained models, and says so.
        """
        import webbrowser

        from nas.errors import UsageError
        from nas.results import find_run, write_reports
        from nas.study import read_outcome
        from nas.util.printable import printable

        path = write_reports(read_outcome(find_run(name, out)))
        typer.echo(printable(path))
        if open_it and not webbrowser.open(path.absolute().as_uri()):
            raise UsageError(f"there is no browser here; open {printable(path)} yourself")
