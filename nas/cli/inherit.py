"""`ghostnas inherit`: let a design begin with a trained detector's channels."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nas.cli.trust import TRUST
from nas.util.checkpoint_trust import trust_checkpoints

if TYPE_CHECKING:
    from nas.inherit import Start


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("inherit")(inherit)


def inherit(
    source: Path = typer.Argument(help="Ultralytics checkpoint of a trained detector, such as yolo11n.pt."),
    target: str = typer.Argument(metavar="DESIGN", help="A model YAML, a run's name or results folder, or a literal."),
    out: Path = typer.Option(..., "--out", "-o", help="The checkpoint to write, a .pt file."),
    data: str | None = typer.Option(None, help="Data YAML for the later training; the design gets its classes."),
    refit: bool | None = typer.Option(
        None, help="With --data: fit the design's convolutions to the source's outputs (default), or copy only."
    ),
    trial: int | None = typer.Option(None, help="Trial of the run; by default its best design."),
    trust: bool = TRUST,
) -> None:
    """Write a checkpoint of a design that begins with the weights of a trained detector of another size."""
    from nas.errors import UsageError
    from nas.results import find_untrained

    trust_checkpoints(trust)
    design = find_untrained(target, trial)
    from nas.inherit import check_place, start, write_checkpoint
    from nas.model import find_checkpoint

    if refit is not None and data is None:
        raise UsageError("--refit and --no-refit need pictures: add --data DATA.yaml")
    check_place(out)
    source = find_checkpoint(source)
    made = start(source, design.path, design.imgsz, _load(data), refit is not False)
    write_checkpoint(made.model, out, made.imgsz, source.name)
    for line in _lines(made):
        typer.echo(line)
    typer.echo(f"{source} -> {out}: {design.label}, {made.imgsz} px, {len(made.classes)} classes, untrained")


def _load(data: str | None):  # type: ignore[no-untyped-def]  # the type's module is heavy
    if data is None:
        return None
    from rich.console import Console

    from nas.cli.reading_progress import ReadingProgress
    from nas.data import load

    with ReadingProgress(Console(stderr=True)) as reading:
        return load(data, reading=reading)


def _lines(made: "Start") -> list[str]:
    """A table with a row a part, its reasons below it, and what the importance is of."""
    params, taken, importance, kept = (
        sum(getattr(one, name) for one in made.sections) for name in ("params", "taken", "importance", "kept")
    )
    lines = [_line("part", "params", "inherited", "importance kept")]
    for one in made.sections:
        lines.append(
            _line(one.name, f"{one.params:,}", _share(one.taken, one.params), _share(one.kept, one.importance))
        )
        lines += [f"    {reason}" for reason in one.reasons]
    lines.append(_line("all", f"{params:,}", _share(taken, params), _share(kept, importance)))
    return [*lines, made.importance]


def _line(part: str, params: str, inherited: str, importance: str) -> str:
    return f"{part:18} {params:>10} {inherited:>9} {importance:>15}"


def _share(part: float, whole: float) -> str:
    """In whole percent, rounded down: 100% is all."""
    return f"{math.floor(100 * part / whole + 1e-9)}%" if whole else "-"
