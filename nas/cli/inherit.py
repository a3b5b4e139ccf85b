"""`ghostnas inherit`: let a design begin with a trained detector's channels."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from nas.inherit.child import SectionAccount
    from nas.inherit.start import Start


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("inherit")(inherit)


def inherit(
    source: Path = typer.Argument(help="Ultralytics checkpoint of a trained detector, such as yolo11n.pt."),
    target: str = typer.Argument(metavar="DESIGN", help="A model YAML, a run's name or results folder, or a literal."),
    out: Path = typer.Option(..., "--out", "-o", help="The checkpoint to write, a .pt file."),
    data: str | None = typer.Option(None, help="Data YAML that the design will be trained on: its classes."),
    refit: bool | None = typer.Option(
        None, help="With --data: fit its convolutions to the source's outputs (default), or copy only."
    ),
    trial: int | None = typer.Option(None, help="Trial of the run; by default its best design."),
) -> None:
    """Write a checkpoint of a design that begins with the weights of a trained detector of another size."""
    from nas.designs import find_untrained
    from nas.errors import UsageError

    design = find_untrained(target, trial)
    from nas.inherit.checkpoint import check_place, write_checkpoint
    from nas.inherit.start import start

    if refit is not None and data is None:
        raise UsageError("--refit and --no-refit need pictures: add --data DATA.yaml")
    check_place(out)
    made = start(source, design, _load(data), refit is not False)
    write_checkpoint(made.model, out, made.imgsz, source.name)
    for line in _lines(made):
        typer.echo(line)
    typer.echo(f"{source} -> {out}: {design.label}, {made.imgsz} px, {len(made.classes)} classes, untrained")


def _load(data: str | None):  # type: ignore[no-untyped-def]  # the type's module is heavy
    if data is None:
        return None
    from rich.console import Console

    from nas.cli.reading import ReadingProgress
    from nas.data import load

    with ReadingProgress(Console(stderr=True)) as reading:
        return load(data, reading=reading)


def _lines(made: "Start") -> list[str]:
    params, taken = (sum(getattr(one, name) for one in made.sections) for name in ("params", "taken"))
    lines = [f"{'part':18} {'params':>9} {'inherited':>9} {'importance kept':>15}"]
    for one in made.sections:
        lines.append(f"{one.name:18} {one.params:9,} {_share(one.taken / one.params):>9} {_kept(one):>15}".rstrip())
        lines += [f"    {reason}" for reason in one.reasons]
    lines.append(f"{'all':18} {params:9,} {_share(taken / params):>9}")
    return [*lines, *made.told]


def _share(share: float) -> str:
    return f"{100 * share:.0f}%"


def _kept(one: "SectionAccount") -> str:
    return "-" if one.kept is None else _share(one.kept)
