"""Weights that a search keeps: state dicts in half precision, in the `models/` of its results folder.

Of a finalist the file that was measured lies beside them.
"""

from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from nas.architecture import Architecture, to_yaml
from nas.errors import StudyError
from nas.latency import LatencySettings, prepared_name
from nas.study.finalists import Finalist
from nas.study.rungs import weights_name
from nas.util.atomic_files import torch_bytes, write_whole

if TYPE_CHECKING:
    from torch import nn
    from ultralytics.nn.tasks import DetectionModel


def weights_file(folder: Path, name: str) -> Path:
    """Where weights of a name (`weights_name`) lie.

    Args:
        folder: Results folder.
        name: File stem.
    """
    return folder / "models" / f"{name}.pt"


def finalist_weights(folder: Path, finalist: Finalist) -> Path:
    """The weights of a finalist's longest training, of which its latency and its score on val are.

    Args:
        folder: Results folder.
        finalist: The finalist.
    """
    return weights_file(folder, weights_name(finalist.record.label, finalist.steps or None))


def measured_file(weights: Path, latency: LatencySettings) -> Path:
    """The file of a runtime that was made of weights, measured and scored."""
    return weights.with_name(prepared_name(weights.stem, latency))


def trained_model(architecture: Architecture, classes: int, weights: Path) -> "DetectionModel":
    """A design with weights that a search kept, float32, on the CPU.

    Args:
        architecture: The design.
        classes: Number of classes.
        weights: A file of `write_weights`.

    Raises:
        StudyError: The file cannot be read, or is another design's.
    """
    import torch

    from nas.model import build

    model = build(to_yaml(architecture, classes))
    try:
        model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except (OSError, EOFError, RuntimeError, UnpicklingError) as error:
        raise StudyError(
            f"the trained weights {weights} cannot be read ({error}), and latency and val are of them; put the file "
            "back, or search again under another --name"
        ) from error
    return model


def write_weights(path: Path, model: "nn.Module") -> None:
    """Write a model's weights, its floating point numbers as float16.

    Raises:
        StorageError: The file cannot be written.
    """
    state = {name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}
    write_whole(path, torch_bytes(state))


def write_text(path: Path, text: str) -> None:
    """Write a text file.

    Raises:
        StorageError: The file cannot be written.
    """
    write_whole(path, text.encode())
