"""A checkpoint of Ultralytics: it loads here and, beside `ghost_blocks.py`, where ghostnas is not installed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nas.model.bundled_blocks import named_as_in_a_bundle
from nas.util.atomic_files import torch_bytes, write_whole

LICENSE = "AGPL-3.0"


def save_checkpoint(
    path: Path, model: Any, arguments: Mapping[str, Any], more: Mapping[str, Any] | None = None, advice: str = ""
) -> None:
    """Write a checkpoint; whoever looks sees the whole file or the one before.

    Args:
        path: Where; what lies there is replaced.
        model: A detection model, float32, with its class names.
        arguments: Ultralytics' arguments: `task` and `imgsz`, and those of the training.
        more: Further entries, such as `train_metrics`. Without any that tells of a training the model counts as
            untrained.
        advice: What to do where it cannot be written, for the message.

    Raises:
        StorageError: It cannot be written.
    """
    import ultralytics

    model.args = dict(arguments)
    content = {
        "epoch": -1,
        "best_fitness": None,
        "model": model.eval().requires_grad_(True),
        "ema": None,
        "updates": None,
        "optimizer": None,
        "train_args": dict(arguments),
        "date": datetime.now(UTC).isoformat(),
        "version": ultralytics.__version__,
        "license": LICENSE,
        **(more or {}),
    }
    with named_as_in_a_bundle():
        made = torch_bytes(content)
    write_whole(path, made, advice)
