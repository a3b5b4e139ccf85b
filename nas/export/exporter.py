"""A deployable file from a trained checkpoint: Ultralytics' exporter, then a check on real pictures."""

import copy
import importlib.util
import math
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas.data import letterbox, read_picture
from nas.errors import DataError, GhostnasError, ModelError, StorageError, UsageError
from nas.export.formats import REDUCED_TOLERANCE, Format, find_format
from nas.export.reduced import check_precision, reduced_maps, reduced_onnx
from nas.latency import relative_difference
from nas.model import Checkpoint, load_trained
from nas.results import MEASURED_ONNX, is_run, run_of
from nas.util.image_size import RULE, fits
from nas.util.paths import writable_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nas.data import DetectionData

PICTURES = 8
_REWRITING_TOLERANCE = 1e-9
"""Of two equal graphs in float64; a change of a weight's tenth digit would be seen."""

Pixels = NDArray[np.float32]
Run = Callable[[Pixels], Pixels]


@dataclass(frozen=True, slots=True)
class Export:
    """An exported and checked file.

    Attributes:
        path: The file, or the folder for formats of several files.
        format: Name of the format.
        precision: `float32`, `float16` or `int8`.
        imgsz: Side of the square input.
        difference: Largest |exported - torch| / max(1, |torch|) over all raw outputs of all pictures.
        tolerance: What was allowed; infinite for float16 and INT8, which are judged by `maps`.
        maps: Of float16 and INT8, mAP50-95 of the file and of torch on the first val pictures; None of float32.
        pictures: Pictures compared.
        data: Name of the data set they come from.
    """

    path: Path
    format: str
    precision: str
    imgsz: int
    difference: float
    tolerance: float
    maps: tuple[float, float] | None
    pictures: int
    data: str


def export(
    weights: Path,
    format_name: str,
    to: Path | None,
    imgsz: int | None,
    data: str | None,
    precision: str = "float32",
) -> Export:
    """Export a trained checkpoint and check the file; a file that fails the check is not kept.

    Args:
        weights: A trained checkpoint.
        format_name: A format of `nas.export.formats`.
        to: Folder for the file; by default the checkpoint's, or `export/` of the results folder that it lies in.
        imgsz: Side of the square input; by default the size it was trained at.
        data: Data YAML whose val pictures are compared; by default the checkpoint's own, else the embedded
            set. INT8 takes its scales from the training pictures.
        precision: `float32`, or for ONNX `float16` or `int8`.

    Raises:
        UsageError: The format, the precision or the size cannot be used, a package is missing, or the file would
            replace the one that a search measured.
        ModelError: The checkpoint is not trained, or the file differs from torch.
        DataError: The data cannot be used.
        StorageError: The folder cannot be written.
    """
    wanted = find_format(format_name)
    check_precision(precision, wanted.name)
    checkpoint = load_trained(weights)
    size = imgsz or checkpoint.imgsz
    if not fits(size):
        raise UsageError(f"--imgsz must be {RULE}, got {size}")
    pictures = _pictures(data, checkpoint)
    folder = writable_dir(_place(weights, wanted, to))
    noise = np.random.default_rng(0).random((1, 3, size, size), dtype=np.float32)
    batch = [*(letterboxed(path, size) for path in pictures.val.images[:PICTURES]), noise]
    _check_rewriting(checkpoint, size, (batch[0], noise))
    tolerance = wanted.tolerance if precision == "float32" else math.inf
    with tempfile.TemporaryDirectory(prefix="ghostnas-") as making:
        if precision == "float32":
            made = _export(checkpoint, wanted, size, Path(making))
        else:
            made = reduced_onnx(checkpoint, precision, size, pictures, Path(making))
        answer = _torch_run(checkpoint)
        with _quiet():
            run = _opened(made, wanted)
            difference = max(relative_difference(run(p), answer(p), min(tolerance, REDUCED_TOLERANCE)) for p in batch)
            maps = None if precision == "float32" else reduced_maps(run, answer, precision, pictures, size)
        if not difference <= tolerance:
            raise ModelError(
                f"the {wanted.name} file differs from torch by {difference:.2g} on {len(batch) - 1} pictures of "
                f"{pictures.name} and noise (allowed: {tolerance:g}), so it was not kept; please report it"
            )
        kept = _keep(made, folder / made.name.replace(_plain(weights.stem), weights.stem, 1))
    return Export(kept, wanted.name, precision, size, difference, tolerance, maps, len(batch) - 1, pictures.name)


def _place(weights: Path, wanted: Format, to: Path | None) -> Path:
    """The folder for the file; never one where it would take the place of the file that a search measured."""
    run = run_of(weights)
    if to is None:
        return weights.parent if run is None else run / "export"
    if is_run(to) and f"{weights.stem}.{wanted.name}" == MEASURED_ONNX:
        raise UsageError(f"{to / MEASURED_ONNX} is the place of the file that the search measured; choose another --to")
    return to


def letterboxed(path: Path, imgsz: int) -> Pixels:
    """A picture as a model sees it: letterboxed, RGB, shape (1, 3, imgsz, imgsz), values in 0..1.

    Raises:
        DataError: The picture cannot be read.
    """
    boxed, *_ = letterbox(read_picture(path), imgsz)  # (imgsz, imgsz, 3), BGR
    channels_first = np.ascontiguousarray(boxed[..., ::-1].transpose(2, 0, 1)[None])  # (1, 3, imgsz, imgsz), RGB
    return channels_first.astype(np.float32) / np.float32(255)


def _pictures(data: str | None, checkpoint: Checkpoint) -> "DetectionData":
    """The data set whose val pictures are compared; any will do, and the caller says which it was."""
    from nas.data import load

    if data is not None:
        return load(data)
    # A relative path is of the folder in which the training was started, and may name another set here.
    if checkpoint.data is not None and os.path.isabs(checkpoint.data) and os.path.isfile(checkpoint.data):
        try:
            own = load(checkpoint.data)
        except DataError:
            pass  # moved or changed since the training
        else:
            if own.names == tuple(checkpoint.model.names.values()):
                return own
    return load(None)


def _check_rewriting(checkpoint: Checkpoint, imgsz: int, pictures: Sequence[Pixels]) -> None:
    """Compare the graph that is exported with the fused model in float64, where rounding hides nothing.

    Raises:
        ModelError: They are not equal.
    """
    import torch

    from nas.model import deployable, fused

    model = copy.deepcopy(checkpoint.model).double()
    plain, lean = fused(model), deployable(model, imgsz)
    with torch.inference_mode():
        for picture in pictures:
            outputs = (one(torch.from_numpy(picture).double())[0].numpy() for one in (lean, plain))
            difference = relative_difference(*outputs)
            if not difference <= _REWRITING_TOLERANCE:
                raise ModelError(
                    f"the graph to export differs from {checkpoint.path.name} by {difference:.2g} in float64 (allowed: "
                    f"{_REWRITING_TOLERANCE:g}), so nothing was written; please report it"
                )


def _export(checkpoint: Checkpoint, wanted: Format, imgsz: int, folder: Path) -> Path:
    """Ultralytics' export of a copy of the checkpoint, beside which it writes."""
    # OpenVINO imports its telemetry when it finds it, and that writes to the home folder and the network.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    from nas.model import is_nms_free
    from nas.model.rewrite import bundle_export

    copied = folder / f"{_plain(checkpoint.path.stem)}.pt"
    shutil.copy(checkpoint.path, copied)
    arguments: dict[str, Any] = {"format": wanted.name, "imgsz": imgsz}
    if is_nms_free(checkpoint.model):
        if wanted.name in bundle_export.WITHOUT_TOP_K:
            raise UsageError(
                f"--format {wanted.name} cannot carry a head without NMS ({checkpoint.path.name} has one): it has no "
                "top-k; export to onnx, openvino, torchscript or engine"
            )
        arguments["nms"] = False  # Ultralytics' word for the branches that need none
    if wanted.simplifies and importlib.util.find_spec("onnxslim") is None:
        arguments["simplify"] = False  # on by default, and not one of our dependencies
    try:
        with _quiet():
            made = bundle_export.export(str(copied), **arguments)
    except GhostnasError:
        raise
    except ModuleNotFoundError as error:
        raise UsageError(f"--format {wanted.name} needs {error.name}; pip install {error.name}") from error
    except Exception as error:
        raise ModelError(f"Ultralytics' {wanted.name} export failed: {type(error).__name__}: {error}") from error
    return Path(made)


@contextmanager
def _quiet() -> "Iterator[None]":
    """Without Ultralytics' notes, which name the temporary folder, and torch's on its older exporter."""
    from ultralytics.utils import LOGGER

    level = LOGGER.level
    LOGGER.setLevel("WARNING")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        LOGGER.setLevel(level)


def _torch_run(checkpoint: Checkpoint) -> Run:
    import torch

    from nas.model import fused

    model = fused(checkpoint.model)

    def run(picture: Pixels) -> Pixels:
        with torch.inference_mode():
            return _first(model(torch.from_numpy(picture)))

    return run


def _opened(made: Path, wanted: Format) -> Run:
    """The exported file, ready to run in its own runtime, in float32 where the runtime leaves the choice."""
    openers = {"onnx": onnx_run, "openvino": _openvino_run}
    return openers.get(wanted.name, _backend_run)(made)


def onnx_run(made: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(made.read_bytes(), providers=["CPUExecutionProvider"])
    (name,) = (value.name for value in session.get_inputs())
    return lambda picture: _first(session.run(None, {name: picture}))


def _openvino_run(made: Path) -> Run:
    import openvino

    # Left alone, OpenVINO silently takes bfloat16 where the CPU has it.
    model = openvino.Core().compile_model(next(made.glob("*.xml")), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda picture: _first(list(model(picture).values()))


def _backend_run(made: Path) -> Run:
    import torch
    from ultralytics.nn.autobackend import AutoBackend

    device = torch.device("cuda:0") if made.suffix == ".engine" else torch.device("cpu")
    backend = AutoBackend(model=str(made), device=device, verbose=False)
    return lambda picture: _first(backend(torch.from_numpy(picture).to(device)))


def _first(outputs: Any) -> Pixels:
    """The first output as an array, shape (1, 4 + classes, positions)."""
    first = outputs[0] if isinstance(outputs, Sequence) else outputs
    return np.asarray(first.cpu() if hasattr(first, "cpu") else first, dtype=np.float32)


def _plain(stem: str) -> str:
    """A name that every exporter can write: the checkpoint's own, where it is made of plain letters."""
    return stem if re.fullmatch(r"[\w.-]+", stem, re.ASCII) else "model"


def _keep(made: Path, kept: Path) -> Path:
    try:
        if kept.is_dir():
            shutil.rmtree(kept)
        shutil.move(made, kept)
    except OSError as error:
        raise StorageError(f"cannot write {kept}: {error.strerror or error}; choose another --to") from error
    return kept
