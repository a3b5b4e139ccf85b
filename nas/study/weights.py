"""Weights that a search keeps: state dicts in half precision, in the `models/` of its results folder."""

from pathlib import Path
from typing import TYPE_CHECKING

from nas.util.atomic_files import torch_bytes, write_whole

if TYPE_CHECKING:
    from torch import nn


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
