"""`ghostnas export`: take a design home as a bundle, or a trained checkpoint as a deployable file."""

from pathlib import Path

import typer

from nas.cli.trust import TRUST
from nas.util.checkpoint_trust import trust_checkpoints


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    target: str | None = typer.Argument(None, help="A run's name, a results folder, or a model YAML to bundle."),
    to: Path | None = typer.Option(
        None,
        help="Folder to write: the bundle, or the deployable file (by default beside the checkpoint; in a results "
        "folder its `export`).",
    ),
    trial: int | None = typer.Option(None, help="Trial of the run; by default its best design."),
    out: Path = typer.Option(Path("results"), help="Folder that holds the runs."),
    format: str | None = typer.Option(None, help="Deployable file instead of a bundle: onnx, openvino, ncnn, ..."),
    weights: Path | None = typer.Option(None, help="Trained checkpoint (best.pt) for --format."),
    imgsz: int | None = typer.Option(None, help="Input size of the file; by default the one trained at."),
    data: str | None = typer.Option(None, help="Data YAML whose val pictures check the file."),
    precision: str | None = typer.Option(
        None, help="float32, or with --format onnx float16 or int8, whose scales come from training pictures."
    ),
    trust: bool = TRUST,
) -> None:
    """Write a bundle that plain Ultralytics trains, or (--format, --weights) a checked deployable file."""
    from nas.errors import UsageError

    trust_checkpoints(trust)
    if format is None and weights is None:
        options = (("--imgsz", imgsz), ("--data", data), ("--precision", precision))
        unused = [name for name, value in options if value is not None]
        if unused:
            raise UsageError(f"{' and '.join(unused)} go with --format and --weights")
        _bundle(target, to, trial, out)
        return
    if format is None or weights is None:
        missing = "--format onnx" if format is None else "--weights best.pt"
        raise UsageError(f"a deployable file needs both --format and --weights; add {missing}")
    if target is not None or trial is not None:
        raise UsageError("--weights is the trained model already; leave out the run and --trial")
    _deployable(format, weights, to, imgsz, data, precision or "float32")


def _bundle(target: str | None, to: Path | None, trial: int | None, out: Path) -> None:
    from nas.errors import UsageError
    from nas.export import write_bundle
    from nas.results import find_design
    from nas.util.printable import printable

    if target is None:
        raise UsageError("say what to export: a run's name, a results folder or a model YAML (or --format, --weights)")
    if to is None:
        raise UsageError("a bundle needs a folder: --to DIR")
    design = find_design(target, trial, out)
    bundle = write_bundle(design, to)
    typer.echo(f"{printable(design.label)} -> {printable(bundle.folder)}")
    for file in bundle.files:
        typer.echo(f"  {file.name}")
    if not bundle.blocks:
        typer.echo("  every row is Ultralytics' own, so only the export needs the module file")


def _deployable(
    format: str, weights: Path, to: Path | None, imgsz: int | None, data: str | None, precision: str
) -> None:
    from nas.util import ultralytics_env

    ultralytics_env.prepare()
    from nas.export import export as export_checked
    from nas.util.printable import printable

    made = export_checked(weights, format, to, imgsz, data, precision)
    shape = f"1x3x{made.imgsz}x{made.imgsz}"
    typer.echo(f"{printable(made.path)} ({made.format}, {made.precision}, batch 1, input {shape}, no NMS)")
    if made.maps is not None:
        typer.echo(
            f"mAP50-95 on val of {printable(made.data)}: {made.maps[0]:.3f}, of torch in float32 {made.maps[1]:.3f}"
        )
        return
    typer.echo(
        f"largest difference from torch on {made.pictures} pictures of {printable(made.data)}: "
        f"{made.difference:.2g} (allowed: {made.tolerance:g})"
    )
