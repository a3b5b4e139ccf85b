"""Files that are there whole, or as they were before: written beside their place and renamed."""

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

from nas.errors import StorageError


def write_whole(path: Path, content: bytes, advice: str = "") -> None:
    """Write a file, its folder too where it is missing.

    Args:
        path: Where.
        content: What it is to hold.
        advice: What to do where it cannot be written, for the message.

    Raises:
        StorageError: It cannot be written.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        end = f"; {advice}" if advice else ""
        raise StorageError(f"cannot write {path}: {error.strerror or error}{end}") from error


def torch_bytes(content: Any) -> bytes:
    """What `torch.save` writes; to a file itself it raises a RuntimeError when the disk is full.

    Args:
        content: Anything that torch can save.
    """
    import torch

    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()
