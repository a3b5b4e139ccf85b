"""`ghostnas latency`: how long models take, here or on another device."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from nas.cli.trust import TRUST
from nas.util.checkpoint_trust import trust_checkpoints

if TYPE_CHECKING:
    from nas.latency import Answer, Latency, Ratio

_MEASURE = "measure"
_SURE = 0.02
"""A ratio whose interval is wider than this on either side tells little of models that are alike."""


class _MeasureByDefault(TyperGroup):
    """`ghostnas latency MODEL` is short for `ghostnas latency measure MODEL`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where none is named."""
        asks_for_help = args[:1] in (["--help"], [])
        if not asks_for_help and args[0] not in self.commands:
            args = [_MEASURE, *args]
        return super().parse_args(ctx, args)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    from nas.cli.latency_predict import predict

    group = typer.Typer(
        cls=_MeasureByDefault,
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Measure how long models take: ghostnas latency MODEL ... (short for latency measure), or predict it.",
    )
    group.command(_MEASURE)(measure)
    group.command("predict")(predict)
    app.add_typer(group, name="latency")


def measure(
    models: list[str] = typer.Argument(
        metavar="MODEL",
        help="Any Ultralytics YAML, .pt or .onnx file, or a stock name such as yolo11n.yaml.",
    ),
    device: str = typer.Option(
        "local", help="local (= cpu), cuda:N, ssh://user@host[:port][?python=PATH], or a device profile."
    ),
    runtime: str | None = typer.Option(
        None,
        help="onnxruntime, openvino, ncnn, torch, torch-cudagraph, tensorrt; auto is onnxruntime, on every machine.",
        show_default="the device profile's, else auto",
    ),
    imgsz: int | None = typer.Option(
        None, help="Square input size in pixels; by default the model file's own, else 640."
    ),
    threads: int | None = typer.Option(
        None, help="Threads of the runtime.", show_default="the device profile's, else 1"
    ),
    precision: str | None = typer.Option(
        None,
        help="float32, bfloat16, float16 or int8, where the runtime has it.",
        show_default="the device profile's, else float32",
    ),
    scope: str = typer.Option("compute", help="What the clock covers: compute, +copies, or +nms (trained model)."),
    level: str = typer.Option("finalist", help="finalist (±1%, three processes) or screening (±2%, one)."),
    target_stat: str = typer.Option(
        "quiet", help="quiet (a best case), or p50 or p95 of back-to-back runs with nothing dropped."
    ),
    sustained: str | None = typer.Option(None, help="How long to run for p50, p95 or a preset: 60s, 10m."),
    preset: str | None = typer.Option(None, help="Measure as another tool does: ultralytics or mlperf-like."),
    data: str | None = typer.Option(None, help="Data YAML whose pictures +nms and int8 use; else the embedded set."),
    fresh: bool = typer.Option(False, "--fresh", help="Measure again what was measured before."),
    recalibrate: bool = typer.Option(False, "--recalibrate", help="Measure the device's references again."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table."),
    trust: bool = TRUST,
) -> None:
    """Measure how long models take, side by side: fused, batch 1, in fresh processes."""
    from rich.console import Console

    from nas.errors import UsageError
    from nas.latency import (
        LatencyDevice,
        choose_imgsz,
        find_model,
        latencies_of,
        note,
        resolve_device,
        resolve_level,
        retry_while_disturbed,
    )
    from nas.util import units

    trust_checkpoints(trust)
    # Everything that can be wrong with the request is found before anything is measured.
    if preset is not None and target_stat != "quiet":
        raise UsageError("--preset and --target-stat both say which statistic to take; give one of them")
    if preset is not None and preset not in ("ultralytics", "mlperf-like"):
        raise UsageError(f"--preset must be ultralytics or mlperf-like, got {preset!r}")
    settings = resolve_device(device).settings(
        runtime=runtime,
        precision=precision,
        threads=threads,
        scope=scope,
        statistic=preset or target_stat,
        sustained_s=None if sustained is None else units.duration_s(sustained),
    )
    chosen_level = resolve_level(level)
    files = [find_model(name) for name in models]
    sizes = [choose_imgsz(file, imgsz, settings.runtime) for file in files]
    what = f"Measuring {', '.join(file.name for file in files)}"
    progress = Console(stderr=True, markup=False)
    place = LatencyDevice(settings)
    if recalibrate:
        with progress.status("Calibrating"):
            place = retry_while_disturbed(lambda: place.calibrated(fresh=True), notice=progress.print)
    with progress.status(what):
        answer = retry_while_disturbed(
            lambda: latencies_of(files, sizes, place, chosen_level, fresh=fresh, data=data, notice=progress.print),
            notice=progress.print,
        )
    if as_json:
        typer.echo(json.dumps(_objects(models, answer), indent=2))
    else:
        _print_table(models, answer, [note(file.name, file.onnx, settings) for file in files if file.onnx is not None])


def _objects(names: Sequence[str], answer: "Answer") -> list[dict[str, Any]]:
    found = []
    ratios = answer.found.ratios or [None] * len(names)
    for name, measured, ratio in zip(names, answer.found.latencies, ratios, strict=True):
        found.append(
            {
                "model": name,
                "latency_ms": measured.latency_ms,
                "latency_low_ms": measured.low_ms,
                "latency_high_ms": measured.high_ms,
                "ratio": None if ratio is None else {"value": ratio.value, "low": ratio.low, "high": ratio.high},
                "imgsz": measured.imgsz,
                "level": measured.level,
                "slices": len(measured.slices_ms),
                "processes": measured.processes,
                "dropped": measured.dropped,
                "conditions": measured.conditions,
                "calibration": measured.calibration,
                "seconds": measured.seconds,
                "waited_s": measured.waited_s,
                "build_s": measured.build_s,
                "age_s": answer.age_s,
                "key": measured.key,
            }
        )
    return found


def _print_table(names: Sequence[str], answer: "Answer", notes: Sequence[str | None] = ()) -> None:
    from rich.console import Console

    from nas.cli.columns import columns, show_table
    from nas.util.printable import printable

    shape = columns("model", figures=("imgsz", "latency", "95% interval", "ratio", "95% interval"))
    rows = []
    ratios = answer.found.ratios or [None] * len(names)
    for name, measured, ratio in zip(names, answer.found.latencies, ratios, strict=True):
        row = [
            name,
            str(measured.imgsz),
            f"{measured.latency_ms:.3f} ms",
            f"{measured.low_ms:.3f} to {measured.high_ms:.3f}",
            "-" if ratio is None else f"{ratio.value:.3f}x",
            "-" if ratio is None or ratio.low == ratio.high else f"{ratio.low:.3f} to {ratio.high:.3f}",
        ]
        rows.append(row)
    console = Console(highlight=False, markup=False)
    show_table(console, shape, rows)
    for line in [*_footer(answer), *filter(None, notes)]:
        console.print(printable(line), soft_wrap=True)


def _footer(answer: "Answer") -> list[str]:
    first = answer.found.latencies[0]
    key = first.key
    covers = {
        "compute": "compute only (no copies, no NMS)",
        "+copies": "compute and copies (no NMS)",
        "+nms": "compute, copies and NMS of real pictures",
    }[key["scope"]]
    says = "best case of a quiet device" if key["statistic"] == "quiet" else f"{key['statistic']}, nothing dropped"
    when = "measured now" if answer.age_s is None else f"measured {age(answer.age_s)} ago (--fresh measures)"
    lines = [
        f"{key['runtime']} {key['runtime_version']}, {key['precision']}, threads: {key['threads']}, batch 1, {covers}, "
        f"{says}, {first.level}; {key['device']}; {when}"
    ]
    return lines + _drift(first) + undecided(answer.found.ratios or ())


def undecided(ratios: "Sequence[Ratio]") -> list[str]:
    """A note when a ratio is not known to two percent."""
    widest = max(((ratio.high - ratio.low) / 2 / ratio.value for ratio in ratios), default=0.0)
    if widest <= _SURE:
        return []
    return [
        f"note: a ratio is known to ±{widest:.1%} only; to tell models apart that differ by less, measure again "
        "(--fresh) when the device is quieter"
    ]


def _drift(measured: "Latency") -> list[str]:
    """A note when the device was not as it was calibrated."""
    clock = measured.conditions.get("clock", 1.0)
    memory = measured.conditions.get("memory", 1.0)
    if 0.97 <= clock <= 1.05 and memory <= 1.15:
        return []
    return [
        f"note: while measuring, the device ran {clock:.2f} times as long as when it was calibrated, and memory-bound "
        f"work {memory:.2f} times as long against that; the latencies are those of the calibrated device "
        "(--recalibrate takes it as it is now)"
    ]


def age(seconds: float) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{int(seconds)} s"
