"""`ghostnas space`: show, validate and sample search spaces."""

import random
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from nas.architecture import Architecture
    from nas.space import SearchSpace

_DEFAULT = "ghostv2-n"
_CLASSES = 80  # COCO's, as Ultralytics' own tables count
_SPACE = typer.Argument(_DEFAULT, metavar="FILE|NAME", help="A search-space file, or the name of a shipped space.")


def add_to(app: typer.Typer) -> None:
    """Add the `space` commands."""
    from nas.cli.space_table import literals, table

    space = typer.Typer(help="Show, validate and sample search spaces.", no_args_is_help=True, rich_markup_mode=None)
    space.command()(show)
    space.command()(validate)
    space.command()(sample)
    space.command()(literals)
    space.command()(table)
    app.add_typer(space, name="space")


def show(space: str = _SPACE) -> None:
    """Print a space's dimensions, its size, and its smallest and largest model."""
    from rich.console import Console

    from nas.cli.columns import columns, show_table
    from nas.space import load_space

    loaded, console = load_space(space), Console(highlight=False, markup=False)
    title = f"{loaded.name}: {loaded.description}" if loaded.description else loaded.name
    console.print(title, f"({loaded.source})", soft_wrap=True)
    _show_dimensions(loaded, console)
    console.print(f"{loaded.size:,} different networks ({loaded.size:.1e}); digest {loaded.digest}", soft_wrap=True)
    with console.status("Counting the smallest and the largest model"):
        models, rule = _models(loaded)
    show_table(console, columns("model", figures=("params", "GFLOPs")) + columns("architecture"), models)
    console.print(f"Counted for {_CLASSES} classes: {rule}", soft_wrap=True)


def validate(space: str = _SPACE) -> None:
    """Check a search-space file; every broken rule is printed with its file, line, key and value."""
    from nas.space import load_space

    loaded = load_space(space)
    searched = sum(len(d.choices) > 1 for d in loaded.dimensions)
    typer.echo(f"{loaded.source}: valid; {searched} searched dimensions, {loaded.size:,} different networks")


def sample(
    space: str = _SPACE,
    n: int = typer.Option(5, "--n", help="How many different architectures."),
    seed: int = typer.Option(0, "--seed", help="The same seed draws the same architectures."),
    out: Path | None = typer.Option(None, "--out", help="Write one YAML file each into this folder."),
) -> None:
    """Draw random architectures and print their Ultralytics YAML, or write it to files."""
    from nas.architecture import to_yaml
    from nas.space import load_space
    from nas.util.paths import writable_dir

    loaded = load_space(space)
    drawn = _draw(loaded, n, seed)
    if out is None:
        typer.echo("---\n".join(to_yaml(arch) for arch in drawn), nl=False)
        return
    folder = writable_dir(out)
    for arch in drawn:
        path = folder / f"{loaded.name}-{arch.digest}.yaml"
        path.write_text(to_yaml(arch), encoding="utf-8")
        typer.echo(f"{path}  {arch.key}")


def _draw(space: "SearchSpace", n: int, seed: int) -> "list[Architecture]":
    from nas.errors import UsageError

    if n < 1:
        raise UsageError(f"--n must be 1 or more, got {n}")
    if n > space.size:
        raise UsageError(f"--n must be at most {space.size}, all that {space.name} holds; got {n}")
    rng, drawn = random.Random(seed), dict[str, "Architecture"]()
    for _ in range(1000 * n):
        arch = space.decode(space.sample(rng))
        drawn.setdefault(arch.key, arch)
        if len(drawn) == n:
            return list(drawn.values())
    raise UsageError(
        f"{1000 * n} draws from {space.name} gave {len(drawn)} different networks; ask for --n {len(drawn)}"
    )


def _show_dimensions(space: "SearchSpace", console: "Console") -> None:
    from nas.architecture import LEVELS
    from nas.cli.columns import Row, columns, show_table
    from nas.space import STAGE_FIELDS, as_yaml

    def text(name: str) -> str:
        return ", ".join(as_yaml(choice) for choice in space.choices[name])

    rows: list[Row] = [[field, *(text(f"{level}.{field}") for level in LEVELS)] for field in STAGE_FIELDS]
    others = [[name, text(name)] for name in space.choices if "." not in name]
    show_table(console, columns("dimension", *LEVELS), [*rows, None, *others])


def _models(space: "SearchSpace") -> "tuple[list[list[str]], str]":
    """Rows of the models with the fewest and the most parameters, and the rule they are counted by."""
    from nas.architecture import to_yaml
    from nas.model import build, count, fused
    from nas.space import largest, smallest

    @cache
    def params(arch: "Architecture") -> int:
        return sum(p.numel() for p in fused(build(to_yaml(arch, nc=_CLASSES))).parameters())

    rows, rule = [], ""
    for name, extreme in (("smallest", smallest), ("largest", largest)):
        arch = extreme(space, params)
        counts = count(build(to_yaml(arch, nc=_CLASSES)), arch.imgsz)
        rule = counts.rule.replace(f"{arch.imgsz}x{arch.imgsz}", "its own input size")
        rows.append([name, f"{counts.params:,}", f"{counts.gflops:.3f}", arch.key])
    return rows, rule
