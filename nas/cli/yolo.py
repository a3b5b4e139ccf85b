"""`ghostnas yolo`: Ultralytics' own command, with our blocks known to it."""

import typer

_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("yolo", context_settings=_ARGUMENTS)(yolo)


def yolo(context: typer.Context) -> None:
    """The `yolo` command of Ultralytics, which here knows the blocks of ghostnas; it takes --trust, too."""
    import sys

    from nas.util.checkpoint_trust import trust_checkpoints

    trust_checkpoints("--trust" in context.args)
    words = [word for word in context.args if word != "--trust"]
    sys.argv = ["yolo", *words]  # Ultralytics shows it in its help
    from nas.train import run

    run(words)
