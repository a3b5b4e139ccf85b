"""The file that a design starts from: an Ultralytics checkpoint of a detector that nobody has trained yet."""

import os
from pathlib import Path
from typing import Any

from nas import __version__
from nas.errors import ModelError, UsageError
from nas.model import load_file, save_checkpoint
from nas.util.paths import writable_dir

_MARK = "ghostnas_inherit"


def check_place(path: Path) -> None:
    """Refuse a file that may not be written; another one of `ghostnas inherit` may be replaced.

    Args:
        path: Where the checkpoint is to lie.

    Raises:
        UsageError: It is no `.pt` file, or something else lies there.
        StorageError: The folder cannot be written.
    """
    if path.suffix != ".pt":
        raise UsageError(f"--out must be a .pt file, which Ultralytics trains from; got {path}")
    writable_dir(path.absolute().parent)
    if os.path.lexists(path) and not _is_ours(path):
        raise UsageError(
            f"{path} is there already and not one of `ghostnas inherit`; choose another --out, or delete it"
        )


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        return _MARK in load_file(path)
    except ModelError:  # whatever it is, it is not ours
        return False


def write_checkpoint(model: Any, path: Path, imgsz: int, source: str) -> None:
    """Write an Ultralytics checkpoint that loads here and with a bundle; whoever looks sees the whole file or none.

    It records the input size, with which Ultralytics trains, and no epoch, score or weight update: it is not trained.

    Args:
        model: A detection model, float32.
        path: Where; what lies there is replaced.
        imgsz: The design's input size in pixels.
        source: Where the weights come from.

    Raises:
        StorageError: It cannot be written.
    """
    arguments = {"task": "detect", "imgsz": imgsz}
    mark = {_MARK: {"version": __version__, "source": source}}
    save_checkpoint(path, model, arguments, mark, "choose another --out")
