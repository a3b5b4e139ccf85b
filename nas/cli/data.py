"""`ghostnas data`: look at detection data as ghostnas reads it."""

import os
from pathlib import Path

import typer

_PREVIEWED_PX = (64, 96, 128, 160, 320, 640)
"""Input sizes at which the preview counts small boxes."""


def add_to(app: typer.Typer) -> None:
    """Add the command group.

    Args:
        app: The command tree.
    """
    group = typer.Typer(help="Look at detection data as ghostnas reads it.", no_args_is_help=True)
    app.add_typer(group, name="data")

    @group.callback()
    def root() -> None:
        """Look at detection data as ghostnas reads it."""

    @group.command()
    def preview(
        data: str | None = typer.Option(None, "--data", help="Ultralytics data YAML; default: the embedded set."),
        out: Path = typer.Option(Path("preview.png"), "--out", help="The PNG to write."),
        n: int = typer.Option(16, "--n", min=1, max=400, help="How many pictures to show."),
    ) -> None:
        """Write a PNG of labelled training pictures, after checking every label and picture."""
        from rich.console import Console

        from nas.cli.reading_progress import ReadingProgress
        from nas.data import find_yaml, load, split_that_holds, write_preview
        from nas.errors import UsageError
        from nas.util.printable import printable

        if Path(os.path.realpath(out)).suffix.lower() != ".png":
            raise UsageError(f"--out must be a .png file, since a PNG is written, got {str(out)!r}")
        if data is not None and (key := split_that_holds(find_yaml(data), out)) is not None:
            raise UsageError(f"{out} is a picture of `{key}:`, or would become one in its folder; name another --out")
        with ReadingProgress(Console(stderr=True)) as reading:
            loaded = load(data, reading=reading)
        shown = write_preview(loaded, out, n)
        parts = [loaded.train, loaded.select, loaded.val]
        pictures = ", ".join(f"{len(part)} {part.name}" for part in parts)
        counts = zip(loaded.names, *(part.class_counts(loaded.nc) for part in parts), strict=True)
        where = f"{printable(loaded.source)}; digest {loaded.digest}"
        typer.echo(f"{printable(loaded.name)}: {pictures} pictures ({where})")
        for name, *objects in counts:
            counted = ", ".join(f"{count} {part.name}" for count, part in zip(objects, parts, strict=True))
            typer.echo(f"  {printable(name)}: {counted}")
        for sentence in loaded.findings.sentences(_PREVIEWED_PX):
            typer.echo(f"  {printable(sentence)}")
        typer.echo(f"{shown} labelled pictures in {printable(out)}")
