"""`ghostnas latency predict`: latencies from the measurements of a search, without measuring."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nas.cli.trust import TRUST
from nas.util.checkpoint_trust import trust_checkpoints

if TYPE_CHECKING:
    from nas.latency import ModelFile
    from nas.latency.predictor import Features, Prediction, Predictor, Sample
    from nas.study import SearchSettings


def predict(
    models: list[str] = typer.Argument(
        metavar="MODEL",
        help="Any Ultralytics YAML, .pt or .onnx file, or a stock name such as yolo11n.yaml.",
    ),
    source: str = typer.Option(..., "--from", help="Run or results folder whose measured candidates teach the costs."),
    carry: str | None = typer.Option(
        None, "--carry", help="Run on another device or runtime to start from; --from then needs 4 measurements, not 8."
    ),
    imgsz: int | None = typer.Option(
        None, help="Square input size in pixels; by default the model file's own, else 640."
    ),
    most: int = typer.Option(32, "--most", min=1, help="Use at most this many measurements of a run: the first ones."),
    out: Path = typer.Option(Path("results"), "--out", help="Folder that holds the runs."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON object instead of a table."),
    trust: bool = TRUST,
) -> None:
    """Predict how long models take, with an interval, from what a search has measured. It certifies nothing."""
    from rich.console import Console

    from nas.latency import choose_imgsz, find_model

    trust_checkpoints(trust)
    files = [find_model(name) for name in models]
    sizes = [choose_imgsz(file, imgsz, "onnxruntime") for file in files]
    with Console(stderr=True).status("Reading measurements and graphs"):
        settings, samples = _samples(source, out, most)
        predictor = _predictor(samples, None if carry is None else _samples(carry, out, most)[1])
        predictions = [predictor.predict(features_of(file, size)) for file, size in zip(files, sizes, strict=True)]
    if as_json:
        typer.echo(json.dumps(_object(models, sizes, predictions, predictor, settings), indent=2))
    else:
        _print_table(models, sizes, predictions, predictor, settings)


def _samples(run: str, out: Path, most: int) -> "tuple[SearchSettings, list[Sample]]":
    """The first distinct measured candidates of a run, with the work of their graphs."""
    from nas.results import find_run
    from nas.search import sample_of
    from nas.study import read_records

    settings, candidates, baselines = read_records(find_run(run, out))
    measured = {record.key: record.evaluation for record in (*candidates, *baselines) if record.evaluation is not None}
    return settings, [sample_of(one, settings.data.classes) for one in list(measured.values())[:most]]


def _predictor(samples: "Sequence[Sample]", other: "Sequence[Sample] | None") -> "Predictor":
    from nas.latency.predictor import Predictor

    return Predictor.fit(samples) if other is None else Predictor.fit(other).carried_over(samples)


def features_of(model: "ModelFile", imgsz: int) -> "Features":
    from nas.errors import ModelError
    from nas.latency.predictor import graph_features

    if model.onnx is not None:
        from nas.latency import fixed

        try:
            return graph_features(fixed(model.onnx, (1, 3, imgsz, imgsz)))
        except ModelError as error:
            raise ModelError(f"{model.name}: {error}") from error
    from nas.latency import load_unfused
    from nas.model import to_onnx

    return graph_features(to_onnx(load_unfused(model.name), imgsz))


def _object(
    names: Sequence[str],
    sizes: Sequence[int],
    predictions: "Sequence[Prediction]",
    predictor: "Predictor",
    settings: "SearchSettings",
) -> dict[str, Any]:
    return {
        "predictions": [
            {
                "model": name,
                "imgsz": size,
                "latency_ms": prediction.latency_ms,
                "latency_low_ms": prediction.low_ms,
                "latency_high_ms": prediction.high_ms,
                "outside": prediction.outside,
            }
            for name, size, prediction in zip(names, sizes, predictions, strict=True)
        ],
        "measured": False,
        "samples": predictor.samples,
        "place": settings.latency.place,
        "device": settings.latency.device,
        "runtime": settings.latency.runtime,
        "precision": settings.latency.precision,
        "threads": settings.latency.threads,
        "scope": settings.latency.scope,
        "statistic": settings.latency.statistic,
    }


def _print_table(
    names: Sequence[str],
    sizes: Sequence[int],
    predictions: "Sequence[Prediction]",
    predictor: "Predictor",
    settings: "SearchSettings",
) -> None:
    from rich.console import Console

    from nas.cli.columns import Column, columns, show_table

    shape = (*columns("model", figures=("imgsz", "predicted", "95% interval")), Column(""))
    rows = []
    for name, size, prediction in zip(names, sizes, predictions, strict=True):
        row = [
            name,
            str(size),
            f"{prediction.latency_ms:.3f} ms",
            f"{prediction.low_ms:.3f} to {prediction.high_ms:.3f}",
            f"outside: {prediction.beyond:.0%} is work beyond what was measured" if prediction.outside else "",
        ]
        rows.append(row)
    console = Console(highlight=False, markup=False)
    show_table(console, shape, rows)
    how = settings.latency
    console.print(
        f"Predicted from {predictor.samples} measurements, not measured: {how.runtime}, {how.precision}, "
        f"threads: {how.threads}, scope {how.scope}, {how.statistic}, {how.device} of {how.place}",
        soft_wrap=True,
    )
