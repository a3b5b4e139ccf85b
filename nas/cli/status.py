"""`ghostnas status`: how a search stands, or which searches there are."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


def status(
    name: str | None = typer.Argument(None, help="Name or results folder of a search; without it, all are listed."),
    out: Path = typer.Option(Path("results"), help="Folder of all results."),
) -> None:
    """Show the state of a search; without a name, list all searches."""
    from rich.console import Console

    from nas.errors import GhostnasError
    from nas.results import find_run, last_change, list_runs
    from nas.study import DatabaseUnreachable, read_records, remembered, trained
    from nas.util.printable import printable

    console = Console(highlight=False, soft_wrap=True)
    if name is not None:
        folder = find_run(name, out)
        _show(folder, console)
        return
    runs = list_runs(out)
    if not runs:
        console.print(f"no searches in {printable(out)}; start one with: ghostnas search", markup=False)
        return
    down: dict[str, GhostnasError] = {}  # by URL: each of them is waited for once
    for folder in runs:
        database = None
        try:
            if (database := remembered(folder)) is not None and database.url in down:
                raise down[database.url]
            settings, records, _ = read_records(folder)
        except GhostnasError as error:
            if database is not None and isinstance(error, DatabaseUnreachable):
                down[database.url] = error
            console.print(f"{printable(folder.name)}\n  {printable(error)}", markup=False)
            continue
        counts = [r.status for r in records]
        scores = [record.score.map50_95 for record in trained(records)]
        found = ", ".join(f"{counts.count(kind)} {kind}" for kind in ("trained", "rejected", "failed"))
        best = f", highest score {max(scores):.3f} mAP50-95" if scores else ""
        changed = _when(last_change(folder))
        console.print(
            f"{printable(folder.name)}\n  target {settings.limits.target_ms:g} ms: {found}{best} "
            f"(last change {changed})",
            markup=False,
        )


def _show(folder: Path, console: "Console") -> None:
    from nas.study import TrainedRecord, read_records, storage_of, trained
    from nas.util.printable import printable

    place = storage_of(folder)
    settings, records, baselines = read_records(folder)
    counts = [r.status for r in records]
    console.print(f"{printable(folder)}: {'running' if place.in_use() else 'not running'}", markup=False)
    console.print(f"  study          {printable(place.label)}", markup=False)
    for key, value in settings.to_dict().items():
        if value is not None:
            console.print(f"  {key:14} {printable(value)}", markup=False)
    summary = ", ".join(f"{counts.count(kind)} {kind}" for kind in ("trained", "rejected", "failed", "running"))
    console.print(f"  candidates     {summary}", markup=False)
    for line in _rungs(folder, settings.proxy.rungs):
        console.print(f"  {line}", markup=False)
    for record in baselines:
        found = f"{record.score.map50_95:.3f} mAP50-95" if isinstance(record, TrainedRecord) else record.status
        console.print(f"  baseline       {record.label}: {found}", markup=False)
    if best := max(trained(records), key=lambda record: record.score.map50_95, default=None):
        console.print(
            f"  highest score  {best.label}: {best.score.map50_95:.3f} mAP50-95 at "
            f"{best.evaluation.latency.latency_ms:.2f} ms",
            markup=False,
        )


def _rungs(folder: Path, steps: "Sequence[int]") -> "Iterator[str]":
    """How far each rung is to which a design was promoted."""
    from nas.search import promoted_rungs
    from nas.study import read_kept, storage_of

    for one in promoted_rungs(read_kept(storage_of(folder)), steps):
        done = len(one.promoted) - len(one.missing)
        failed = f", {len(one.failed)} failed" if one.failed else ""
        yield f"{one.steps:,} steps".ljust(14) + f" {done} of {len(one.promoted)} promoted designs trained{failed}"


def _when(seconds: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
