"""`ghostnas dashboard`: look at a run's study in the browser."""

from pathlib import Path

import typer


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def dashboard(
        name: str | None = typer.Argument(None, help="A run's name or results folder; the latest run by default."),
        port: int = typer.Option(8080, help="Port to listen on; 0 takes a free one."),
        host: str = typer.Option("127.0.0.1", help="Address to listen on. The dashboard asks for no password."),
        out: Path = typer.Option(Path("results"), help="Folder that holds the runs."),
    ) -> None:
        """Serve a run's study with optuna-dashboard, during the search and afterwards."""
        from nas.results import find_run, is_loopback, latest_run, server
        from nas.util.printable import printable

        run = latest_run(out) if name is None else find_run(name, out)
        with server(run, host, port) as bound:
            if not is_loopback(host):
                typer.echo(
                    f"warning: {host} is not the loopback address, and the dashboard asks for no password: "
                    "anyone who reaches this port sees the study",
                    err=True,
                )
            shown = f"[{host}]" if ":" in host else host
            typer.echo(f"{printable(run)}: http://{shown}:{bound.server_port}/ (Ctrl-C ends)")
            try:
                bound.serve_forever()
            except KeyboardInterrupt:
                typer.echo("dashboard ended")
