"""Trained detectors that a training begins with or learns from."""

from pathlib import Path
from typing import Any

from nas.errors import ModelError
from nas.model import know_bundled_blocks, load_model


def load_known(checkpoint: str) -> Any:
    """A checkpoint's detector, whoever trained it.

    Args:
        checkpoint: Path of any Ultralytics checkpoint of a detector, one from a bundle included.

    Raises:
        ModelError: It cannot be loaded, or holds no detector.
    """
    if Path(checkpoint).suffix != ".pt":
        raise ModelError(f"{checkpoint} is no checkpoint: give the .pt file of a trained detector")
    know_bundled_blocks()
    return load_model(Path(checkpoint))
