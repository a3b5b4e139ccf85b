"""Model files as the latency room sees them: where they are, their digest, their input size."""

import hashlib
import os
import re
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import ModelError, UsageError
from nas.latency.artifacts.onnx_file import foreign, whole_onnx
from nas.util.image_size import RULE, fits, yaml_imgsz
from nas.util.provenance import GRAPH

if TYPE_CHECKING:
    from ultralytics.nn.tasks import DetectionModel

DEFAULT_IMGSZ = 640
_KINDS = {".yaml": "YAML", ".yml": "YAML", ".pt": "checkpoint", ".onnx": "ONNX"}
# Everything between a model file that is not ONNX and the graph that is measured.
_EXPORTERS = ("ghostnas", "ultralytics", "torch", "onnx")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model named at the command line.

    Attributes:
        name: What the user typed.
        path: The file.
        digest: SHA-256 of the whole ONNX model; of any other file, with its name and the versions of what exports it.
        onnx: The whole model of an ONNX file, with its external data; None for any other file.
    """

    name: str
    path: Path
    digest: str
    onnx: bytes | None = field(default=None, repr=False)


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
        ModelError: There is no such file, it cannot be read, or it is an ONNX file that is not whole.
        UsageError: It is not a model file.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in _KINDS:
        raise UsageError(f"a model must be a .yaml, .pt or .onnx file, got {name!r}")
    try:
        path = Path(name) if Path(name).is_file() else _stock_yaml(name)
        if path is None:
            raise ModelError(_not_there(name))
        with path.open("rb") as file:
            wrong = foreign(file.read(256))
        if wrong is not None:
            raise ModelError(f"{name} is not a readable {_KINDS[suffix]} file: it {wrong}")
        onnx = whole_onnx(name, path) if suffix == ".onnx" else None
        total = hashlib.sha256(path.read_bytes() if onnx is None else onnx)
    except (OSError, ValueError) as error:  # not readable, a name too long, or one with a NUL
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"the model file {name!r} cannot be read: {reason}") from error
    if onnx is None:
        total.update(os.fsencode(f"{Path(name).name} {[version(package) for package in _EXPORTERS]} {GRAPH}"))
    return ModelFile(name, path, total.hexdigest(), onnx)


def _not_there(name: str) -> str:
    if Path(name).is_dir():
        return f"{name} is a folder, not a model file; name the file in it"
    return f"there is no model file {name!r}, nor an Ultralytics YAML of that name; nothing is downloaded"


def own_imgsz(model: ModelFile) -> int | None:
    """The square input size that a model file states, if it states one.

    Raises:
        ModelError: The file cannot be read, what it states is no size, or it is an ONNX model that takes something
            else than one picture.
    """
    if model.onnx is not None:
        from nas.latency.artifacts.onnx_graph import parsed, picture_size

        return picture_size(parsed(model.onnx), model.name)
    if model.path.suffix.lower() == ".pt":
        return _checkpoint_imgsz(load_unfused(model.name), model.name)
    return yaml_imgsz(model.path)


def _checkpoint_imgsz(model: Any, name: str) -> int | None:
    arguments = getattr(model, "args", None)
    size = arguments.get("imgsz") if isinstance(arguments, dict) else getattr(arguments, "imgsz", None)
    if isinstance(size, list | tuple) and len(set(size)) == 1:  # height and width, as Ultralytics writes them too
        size = size[0]
    if size is not None and not fits(size):
        raise ModelError(f"{name} was trained at imgsz {size!r:.60}, which is not {RULE}; give another by --imgsz")
    return size


def load_unfused(name: str | Path) -> "DetectionModel":
    """The torch module of a YAML, a .pt or a stock name.

    Raises:
        ModelError: It is not there or cannot be built.
    """
    from nas.model import load_model

    return load_model(str(name))
