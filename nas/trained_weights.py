"""Weights that a search keeps: state dicts in half precision, in the `models/` of its results folder."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import StorageError

if TYPE_CHECKING:
    from torch import nn


def write_weights(path: Path, model: "nn.Module") -> None:
    """Write a model's weights, its floating point numbers as float16.

    Raises:
        StorageError: The file cannot be written.
    """
    import torch

    state = {name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}
    content = io.BytesIO()
    torch.save(state, content)  # to a file itself it raises a RuntimeError when the disk is full
    _write(path, content.getvalue())


def write_text(path: Path, text: str) -> None:
    """Write a text file.

    Raises:
        StorageError: The file cannot be written.
    """
    _write(path, text.encode())


def _write(path: Path, content: bytes) -> None:
    """The file is written beside its place and renamed: it is there whole, or as it was before."""
    beside = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write in {path.parent}: {error.strerror or error}") from error
