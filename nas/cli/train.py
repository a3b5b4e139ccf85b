"""`ghostnas train`: train a found design fully, with Ultralytics."""

from pathlib import Path

import typer

from nas.cli.trust import TRUST
from nas.util.checkpoint_trust import trust_checkpoints

_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train", context_settings=_ARGUMENTS)(train)


def train(
    context: typer.Context,
    target: str = typer.Argument(help="A run's name, a results folder, a model YAML, or a checkpoint."),
    trial: int | None = typer.Option(None, help="Trial of the run; by default its best design."),
    source: str | None = typer.Option(
        None,
        "--from",
        help="Ultralytics checkpoint, or `self` as in `search`. It is tuned on the data first; then the design "
        "inherits its channels.",
        show_default="none",
    ),
    from_scratch: bool = typer.Option(
        False, "--from-scratch", help="Begin with fresh weights, not with those that the run's search left."
    ),
    teacher: Path | None = typer.Option(
        None, help="Ultralytics checkpoint that teaches the design (distill_model=; dis= sets how much)."
    ),
    out: Path = typer.Option(Path("results"), help="Folder that holds the runs."),
    trust: bool = TRUST,
) -> None:
    """Train a design fully; every key=value of `yolo train` may follow, such as epochs=100 data=DATA.yaml."""
    from nas.results import find_design

    trust_checkpoints(trust)
    design = find_design(target, trial, out)
    from nas.inherit import find_source
    from nas.train import complete, parse_arguments, with_teacher
    from nas.train import train as train_fully
    from nas.util.printable import printable, shell_word

    arguments = parse_arguments(context.args)
    if teacher is not None:
        arguments = with_teacher(design, arguments, teacher)
    training = complete(design, arguments, None if source is None else find_source(source), fresh=from_scratch)
    if training.model == design.weights:
        typer.echo(
            f"starts from the search's own weights, {printable(training.model)}; --from-scratch trains from fresh "
            "weights"
        )
    best = train_fully(training)
    typer.echo(f"best checkpoint: {printable(best)}")
    typer.echo(f"deploy it: ghostnas export --format onnx --weights {shell_word(str(best))}")
