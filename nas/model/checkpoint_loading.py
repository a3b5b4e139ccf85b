"""Loads a checkpoint without running code of its own, by Ultralytics' safe loading.

Only classes of torch, Ultralytics and `nas.blocks` are made. Whatever else a file needs is refused, unless the user
trusts the file (`--trust`).
"""

import pickle
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from ultralytics.nn import tasks

from nas.blocks import MODULE_NAME
from nas.errors import ModelError
from nas.model.bundled_blocks import stand_in
from nas.util.checkpoint_trust import trusted
from nas.util.plain_path import plainly

if TYPE_CHECKING:
    from ultralytics.nn.tasks import DetectionModel

_REFUSED = (
    re.compile(r"GLOBAL (\S+) was not an allowed global"),
    re.compile(r"unsupported GLOBAL (\S+) whose module"),
    re.compile(r"allowlisted via `add_safe_globals`,? but got (?:<class ')?([\w.]+)"),
    re.compile(r"unsafe (getattr\(.*?\)) blocked"),
)
"""What torch and Ultralytics say of a class or function that is not on their lists."""


def settle_loading() -> None:
    """Make Ultralytics load safely, or as `--trust` says, and our blocks known to it (idempotent)."""
    tasks.SAFE_LOAD = not trusted()
    _allow_blocks()


def load_file(path: Path) -> dict[str, Any]:
    """All that a checkpoint holds.

    Args:
        path: A `.pt` file.

    Raises:
        ModelError: It is no checkpoint, or needs more than known classes.
    """
    with _reading(path) as file:
        content, _ = tasks.torch_safe_load(file)
    return dict(content)


def load_detector(path: Path) -> "DetectionModel":
    """The model of a checkpoint, float32, in evaluation mode.

    Args:
        path: A `.pt` file.

    Raises:
        ModelError: It is no checkpoint, or needs more than known classes.
    """
    with _reading(path) as file:
        model, _ = tasks.load_checkpoint(file)
    found: DetectionModel = model
    return found


def refused_class(error: BaseException | None) -> str | None:
    """The class or function for which safe loading refused a file; None where it failed for another reason.

    Args:
        error: What the loading raised.
    """
    while error is not None:
        if isinstance(error, pickle.UnpicklingError):
            found = (pattern.search(str(error)) for pattern in _REFUSED)
            return next((match.group(1) for match in found if match), None)
        error = error.__cause__
    return None


def refusal(path: object, name: str) -> str:
    """What is said of a file that needs more than known classes.

    Args:
        path: The file.
        name: What it needs.
    """
    return (
        f"{path} needs {name}, which is no class of torch, Ultralytics or ghostnas, and loading it could run any code; "
        "if you trust the file, add --trust"
    )


@cache
def _allow_blocks() -> None:
    """Allow our blocks under both of their names: ours, and a bundle's."""
    blocks = [one for one in vars(stand_in()).values() if isinstance(one, type) and issubclass(one, nn.Module)]
    names: list[Any] = [
        (one, f"{module}.{one.__qualname__}") for one in blocks for module in (one.__module__, MODULE_NAME)
    ]
    torch.serialization.add_safe_globals(names)


@contextmanager
def _reading(path: Path) -> Iterator[Path]:
    settle_loading()
    try:
        with plainly(path) as file, _quiet():
            yield file
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{path} was made with the Python module {error.name!r}, which is not importable here; "
            "put its folder on PYTHONPATH"
        ) from error
    except Exception as error:
        if name := refused_class(error):
            raise ModelError(refusal(path, name)) from error
        raise ModelError(f"{path} is not a readable checkpoint: {_why(error)}") from error


def _why(error: Exception) -> str:
    cause = error.__cause__
    if "TorchScript archive" in str(error):
        return "it is a TorchScript archive; give the checkpoint that it was exported from"
    if isinstance(cause, RuntimeError | EOFError | pickle.UnpicklingError):
        return "its bytes are no file that torch writes, or end early; copy or download it again"
    if isinstance(error, AttributeError | ValueError) or "references types" in str(error):
        return "it holds no model"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of torch and Ultralytics; what is wrong with a file is an error."""
    before, tasks.LOGGER.disabled = tasks.LOGGER.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        tasks.LOGGER.disabled = before
