"""A torch module as one file and back, for the torch runtimes.

The file is a checkpoint as Ultralytics writes them, which `nas.model.builder.load_model` reads too. It holds the fused
module itself, so that the device runs what was trained and needs no YAML.
"""

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import LatencyError, ModelError, RuntimeMissing

if TYPE_CHECKING:
    from torch import nn
    from ultralytics.nn.tasks import DetectionModel


def to_pt(model: "DetectionModel") -> bytes:
    """A detector, fused, float32, in evaluation mode, as a checkpoint; the same model gives the same bytes.

    Args:
        model: The detector; it is not changed.

    Raises:
        ModelError: It cannot be stored.
    """
    import torch

    from nas.model import fused

    deployed = fused(model).float().cpu().eval().requires_grad_(False)
    file = io.BytesIO()
    try:
        torch.save({"model": deployed}, file)
    except Exception as error:
        raise ModelError(f"the model cannot be stored as a checkpoint: {type(error).__name__}: {error}") from error
    return file.getvalue()


def from_pt(data: bytes) -> "nn.Module":
    """The module that `to_pt` stored; as every checkpoint, it is loaded without running code of its own.

    Raises:
        RuntimeMissing: A package that the module's classes come from is not installed.
        LatencyError: It cannot be loaded here.
    """
    try:
        from nas.model import load_file

        with tempfile.TemporaryDirectory(prefix="ghostnas-") as folder:
            path = Path(folder) / "model.pt"
            path.write_bytes(data)
            module: nn.Module = load_file(path)["model"]
    except ModuleNotFoundError as error:
        raise RuntimeMissing(
            f"the torch runtimes need the Python package {error.name} where they measure; pip install {error.name} "
            "there, or use a runtime that reads ONNX"
        ) from error
    except Exception as error:
        raise LatencyError(f"torch cannot load the model: {type(error).__name__}: {error}") from error
    return module
