"""`ghostnas latency`: how long models take on this machine."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from nas.latency.lookup import Answer


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("latency")(latency)


def latency(
    models: list[str] = typer.Argument(
        metavar="MODEL",
        help="Any Ultralytics YAML, .pt or .onnx file, or a stock name such as yolo11n.yaml.",
    ),
    runtime: str = typer.Option("auto", help="onnxruntime, openvino or torch; auto is onnxruntime, on every machine."),
    imgsz: int | None = typer.Option(
        None, help="Square input size in pixels; by default the model file's own, else 640."
    ),
    threads: int = typer.Option(1, help="Threads of the runtime."),
    precision: str = typer.Option("float32", help="float32, or bfloat16 (openvino, torch)."),
    device: str = typer.Option("cpu", help="cpu, or cuda:N (onnxruntime-gpu, torch)."),
    level: str = typer.Option("finalist", help="finalist (±1%, about 5 s a model) or screening (±2%, about 1 s)."),
    fresh: bool = typer.Option(False, "--fresh", help="Measure again what was measured before."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table."),
) -> None:
    """Measure how long models take: fused, batch 1, no copies and no NMS, each in a process of its own."""
    from rich.console import Console

    from nas.latency import LatencySettings, resolve_level, runtime_version
    from nas.latency.lookup import choose_imgsz, latency_of
    from nas.latency.models import find_model

    # Everything that can be wrong with the request is found before anything is measured.
    settings = LatencySettings(runtime, precision, threads, device)
    chosen_level = resolve_level(level)
    files = [find_model(name) for name in models]
    runtime_version(settings.runtime)
    sizes = [choose_imgsz(file, imgsz, settings.runtime) for file in files]

    answers = []
    progress = Console(stderr=True)
    for file, size in zip(files, sizes, strict=True):
        with progress.status(f"Measuring {file.name} at {size} px"):
            answers.append(latency_of(file, size, settings, chosen_level, fresh=fresh))
    if as_json:
        typer.echo(json.dumps([_object(*pair) for pair in zip(models, answers, strict=True)], indent=2))
    else:
        _print_table(models, answers)


def _object(name: str, answer: "Answer") -> dict[str, Any]:
    measured = answer.latency
    return {
        "model": name,
        "latency_ms": measured.latency_ms,
        "latency_low_ms": measured.low_ms,
        "latency_high_ms": measured.high_ms,
        "imgsz": measured.imgsz,
        "level": measured.level,
        "blocks": len(measured.blocks),
        "dropped": measured.dropped,
        "seconds": measured.seconds,
        "age_s": answer.age_s,
        "key": measured.key,
    }


def _print_table(names: Sequence[str], answers: "Sequence[Answer]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "imgsz")
    for column in ("latency", "95% interval", "ratio"):
        table.add_column(column, justify="right")
    table.add_column("measured")
    first = answers[0].latency.latency_ms
    for name, answer in zip(names, answers, strict=True):
        measured = answer.latency
        table.add_row(
            name,
            str(measured.imgsz),
            f"{measured.latency_ms:.3f} ms",
            f"{measured.low_ms:.3f} to {measured.high_ms:.3f}",
            f"{measured.latency_ms / first:.2f}x",
            "now" if answer.age_s is None else f"{_age(answer.age_s)} ago (--fresh measures)",
        )
    console = Console(highlight=False)
    console.print(table)
    key = answers[0].latency.key
    console.print(
        f"{key['runtime']} {key['runtime_version']}, {key['precision']}, threads: {key['threads']}, batch 1, "
        f"compute only (no copies, no NMS), {answers[0].latency.level}; {key['device']}",
        soft_wrap=True,
    )


def _age(seconds: float) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{int(seconds)} s"
