"""Model files as the latency room sees them: where they are, their digest, their input size."""

import hashlib
import re
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import ModelError, UsageError
from nas.provenance import GRAPH

if TYPE_CHECKING:
    from ultralytics.nn.tasks import DetectionModel

DEFAULT_IMGSZ = 640
_SUFFIXES = (".yaml", ".yml", ".pt", ".onnx")
# Everything between a model file that is not ONNX and the graph that is measured.
_EXPORTERS = ("ghostnas", "ultralytics", "torch", "onnx")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model named at the command line.

    Attributes:
        name: What the user typed.
        path: The file.
        digest: SHA-256 of the file and, unless it is ONNX, of its name and the versions of what exports it.
    """

    name: str
    path: Path
    digest: str


def _stock_yaml(name: str) -> Path | None:
    """Ultralytics' own YAML for a name such as yolo11n.yaml (the scale letter is not in its file's name)."""
    spec = find_spec("ultralytics")
    if spec is None or spec.origin is None or Path(name).name != name:
        return None
    models = Path(spec.origin).parent / "cfg" / "models"
    without_scale = re.sub(r"(\d+)([nslmx])(.+)?$", r"\1\3", name)
    return next((path for wanted in (name, without_scale) for path in models.rglob(wanted)), None)


def find_model(name: str) -> ModelFile:
    """Find the model that a user names.

    Args:
        name: A path to a .yaml, .pt or .onnx file, or a stock YAML's name.

    Raises:
        ModelError: There is no such file.
        UsageError: It is not a model file.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in _SUFFIXES:
        raise UsageError(f"a model must be a .yaml, .pt or .onnx file, got {name!r}")
    try:
        path = Path(name) if Path(name).is_file() else _stock_yaml(name)
        if path is None:
            raise ModelError(
                f"there is no model file {name!r}, nor an Ultralytics YAML of that name; nothing is downloaded"
            )
        total = hashlib.sha256(path.read_bytes())
    except (OSError, ValueError) as error:  # not readable, a name too long, or one with a NUL
        raise ModelError(f"the model file {name!r} cannot be read: {error}") from error
    if suffix != ".onnx":
        total.update(f"{Path(name).name} {[version(package) for package in _EXPORTERS]} {GRAPH}".encode())
    return ModelFile(name, path, total.hexdigest())


def own_imgsz(model: ModelFile) -> int | None:
    """The square input size that a model file states, if it states one.

    Raises:
        ModelError: The file cannot be read, or its fixed input is not square.
    """
    suffix = model.path.suffix.lower()
    if suffix == ".onnx":
        return _onnx_imgsz(model.path)
    if suffix == ".pt":
        return _checkpoint_imgsz(load_unfused(model.name))
    return _yaml_imgsz(model.path)


def _yaml_imgsz(path: Path) -> int | None:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"{path} is not a readable YAML file: {error}") from error
    size = content.get("imgsz") if isinstance(content, dict) else None
    return size if isinstance(size, int) else None


def _onnx_imgsz(path: Path) -> int | None:
    import onnx

    try:
        graph = onnx.load(str(path), load_external_data=False).graph
        sizes = [size.dim_value for size in graph.input[0].type.tensor_type.shape.dim]
    except Exception as error:
        raise ModelError(f"{path} is not a readable ONNX file: {error}") from error
    if len(sizes) != 4:
        raise ModelError(f"{path} takes an input of shape {sizes}, not one picture (1, 3, height, width)")
    height, width = sizes[2:]
    if height != width:
        raise ModelError(f"{path} takes pictures of {height} by {width} pixels; only square ones can be measured")
    return height or None  # 0 stands for a free dimension


def _checkpoint_imgsz(model: Any) -> int | None:
    arguments = getattr(model, "args", None)
    size = arguments.get("imgsz") if isinstance(arguments, dict) else getattr(arguments, "imgsz", None)
    return size if isinstance(size, int) else None


def load_unfused(name: str | Path) -> "DetectionModel":
    """The torch module of a YAML, a .pt or a stock name.

    Raises:
        ModelError: It is not there or cannot be built.
    """
    from nas.build import load_model

    return load_model(str(name))
