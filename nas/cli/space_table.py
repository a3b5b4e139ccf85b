"""`ghostnas space literals` and `space table`: the known designs, and what each of them costs."""

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from nas.latency import Answer, LatencySettings, Level, ModelFile
    from nas.space import Literal

_STOCK = {"n": "yolo11-n", "s": "yolo11-s", "m": "yolo11-m"}
_ABREAST = 4
_NAMES = typer.Argument((), metavar="[NAME]...", help="Literals; by default all of them.")


def literals() -> None:
    """List the known designs. Each is a model YAML; `ghostnas export FILE --to DIR` makes a bundle of it."""
    from rich.console import Console

    from nas.cli.columns import columns, show_table
    from nas.space import load_space, points, shipped_literals, shipped_spaces

    shipped = shipped_literals()
    inside = {name: points(load_space(name), shipped.values()) for name in shipped_spaces()}
    rows = [
        [name, literal.description, ", ".join(space for space in inside if name in inside[space]) or "-"]
        for name, literal in shipped.items()
    ]
    console = Console(highlight=False, markup=False)
    show_table(console, columns("literal", "what it is", "a point of"), rows)
    console.print(f"({next(iter(shipped.values())).path.parent})", soft_wrap=True)


def table(
    names: list[str] = _NAMES,
    classes: int = typer.Option(1, help="Classes that every model detects."),
    imgsz: str = typer.Option("320,640", help="Square input sizes in pixels."),
    runtime: str = typer.Option("onnxruntime,openvino", help="Runtimes to measure with; none: count only."),
    device: str = typer.Option(
        "local", help="local (= cpu), cuda:N, ssh://user@host[:port][?python=PATH], or a device profile."
    ),
    level: str = typer.Option("finalist", help="finalist (±1%, three processes) or screening (±2%, one)."),
    fresh: bool = typer.Option(False, "--fresh", help="Measure again what was measured before."),
) -> None:
    """Print size, work and measured latency of the known designs, compared with YOLO11 of the same scale.

    YOLO11 and up to four rivals of its scale are measured side by side in one run; a ratio is to that run's YOLO11.
    """
    from rich.console import Console

    from nas.errors import UsageError
    from nas.latency import resolve_device, resolve_level
    from nas.util import ultralytics_env

    if classes < 1:
        raise UsageError(f"--classes must be 1 or more, got {classes}")
    groups, sizes = _groups(names), _sizes(imgsz)
    profile, chosen = resolve_device(device), resolve_level(level)
    settings = [profile.settings(runtime=one) for one in map(str.strip, runtime.split(",")) if one != "none"]
    ultralytics_env.prepare()
    console = Console(highlight=False, markup=False)
    with TemporaryDirectory() as folder:
        files = {
            scale: [_with_classes(literal, classes, Path(folder)) for literal in group]
            for scale, group in groups.items()
        }
        _show_work(files, max(sizes), console)
        console.print(f"Fused, {classes} class(es), {max(sizes)} px.", soft_wrap=True)
        for one in settings:
            for size in sizes:
                console.print(_show_latencies(files, one, size, chosen, fresh, console), soft_wrap=True)


def _groups(names: Sequence[str]) -> "dict[str, list[Literal]]":
    """The literals by scale, YOLO11 first."""
    from nas.errors import UsageError
    from nas.space import shipped_literals
    from nas.util.suggest import did_you_mean

    shipped = shipped_literals()
    for name in names:
        if name not in shipped:
            raise UsageError(f"{name!r} is no literal{did_you_mean(name, shipped) or '; see ghostnas space literals'}")
    groups: dict[str, list[Literal]] = {}
    for name, literal in shipped.items():
        if (not names or name in names) and name not in _STOCK.values():
            groups.setdefault(_scale(name), []).append(literal)
    for scale, stock in _STOCK.items():
        if scale in groups or not names or stock in names:
            groups[scale] = [shipped[stock], *groups.get(scale, [])]
    return {scale: groups[scale] for scale in _STOCK if scale in groups}


def _scale(name: str) -> str:
    """The scale letter at the end of a literal's name; the 1.0x and 1.3x backbones stand beside YOLO11n."""
    return name[-1] if name[-2:] in ("-n", "-s", "-m") else "n"


def _sizes(text: str) -> list[int]:
    from nas.errors import UsageError
    from nas.util.image_size import fits

    sizes = [int(part) if part.strip().isdigit() else 0 for part in text.split(",")]
    if not all(map(fits, sizes)):
        raise UsageError(f"--imgsz must be multiples of 32 such as 320,640; got {text!r}")
    return sizes


def _with_classes(literal: "Literal", classes: int, folder: Path) -> Path:
    """The literal's file with another number of classes."""
    text = literal.path.read_text(encoding="utf-8")
    path = folder / literal.path.name
    path.write_text(re.sub(r"^nc: \d+", f"nc: {classes}", text, count=1, flags=re.MULTILINE), encoding="utf-8")
    return path


def _show_work(files: dict[str, list[Path]], imgsz: int, console: "Console") -> None:
    from rich import box
    from rich.progress import track

    from nas.cli.columns import columns, show_table
    from nas.model import complexity_of, load_model

    rows = []
    every = [path for group in files.values() for path in group]
    for path in track(every, "Counting", transient=True):
        found = complexity_of(load_model(path), imgsz)
        row = [
            path.stem,
            f"{found.params:,}",
            f"{found.gflops:.2f}",
            f"{found.gflops_8_3:.2f}",
            f"{found.activations / 1e6:.1f}M",
        ]
        rows.append(row)
    shape = columns("model", figures=("params", "GFLOPs", "GFLOPs, 8.3 rule", "activations"))
    show_table(console, shape, rows, box=box.MARKDOWN)


def _parts(files: dict[str, list[Path]]) -> "list[list[Path]]":
    """YOLO11 and up to four rivals of its scale each: what is measured in one run must fit into a few seconds."""
    parts = []
    for stock, *rivals in files.values():
        starts = range(0, len(rivals), _ABREAST) or [0]
        parts += [[stock, *rivals[start : start + _ABREAST]] for start in starts]
    return parts


def _show_latencies(
    files: dict[str, list[Path]], settings: "LatencySettings", imgsz: int, level: "Level", fresh: bool, shown: "Console"
) -> str:
    """Print the latencies at one size in one runtime; the line that says what they are."""
    from rich import box
    from rich.console import Console

    from nas.cli.columns import columns, show_table
    from nas.cli.latency import age
    from nas.latency import LatencyDevice, find_model, latencies_of, retry_while_disturbed

    device = LatencyDevice(settings)
    rows: list[list[str]] = []
    footer, oldest_s, progress = "", None, Console(stderr=True, markup=False)
    for part in _parts(files):
        models = [find_model(str(path)) for path in part]

        def measured(models: "Sequence[ModelFile]" = models) -> "Answer":
            sizes = [imgsz] * len(models)
            return latencies_of(models, sizes, device, level, fresh=fresh, notice=progress.print)

        with progress.status(f"Measuring {', '.join(path.stem for path in part)}, {imgsz} px, {settings.runtime}"):
            answer = retry_while_disturbed(measured, notice=progress.print)
        ratios = answer.found.ratios or [None] * len(models)
        for path, latency, ratio in zip(part, answer.found.latencies, ratios, strict=True):
            to_yolo11 = None if path == part[0] else ratio
            row = [
                path.stem,
                f"{latency.latency_ms:.2f}",
                f"{latency.low_ms:.2f} to {latency.high_ms:.2f}",
                "1" if to_yolo11 is None else f"{to_yolo11.value:.3f}x",
                "-" if to_yolo11 is None else f"{to_yolo11.low:.3f} to {to_yolo11.high:.3f}",
            ]
            rows.append(row)
        if answer.age_s is not None:
            oldest_s = max(answer.age_s, oldest_s or 0.0)
        key = answer.found.latencies[0].key
        footer = (
            f"{key['runtime']} {key['runtime_version']}, {key['precision']}, threads: {key['threads']}, {imgsz} px, "
            f"batch 1, compute only, {level}; {key['device']}"
        )
    if oldest_s is not None:
        footer += f"; measured up to {age(oldest_s)} ago (--fresh measures)"
    shape = columns("model", figures=("ms", "95% interval", "ratio", "95% interval"))
    show_table(shown, shape, rows, box=box.MARKDOWN)
    return footer
