"""Trained checkpoints: loading them whoever trained them, and telling them from untrained ones."""

import importlib
import importlib.util
import pkgutil
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from nas.blocks import MODULE_NAME
from nas.errors import ModelError, UsageError
from nas.util.plain_path import plainly


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained detector.

    Attributes:
        path: The `.pt` file.
        model: Ultralytics' DetectionModel, float32, evaluation mode, on the CPU.
        imgsz: Input size it was trained at.
        data: Data YAML that it was trained on, as it was given; None where unknown.
        epochs: Epochs that the file records; 0 where it records only its scores.
    """

    path: Path
    model: Any
    imgsz: int
    data: str | None
    epochs: int


def know_bundled_blocks() -> None:
    """Make checkpoints loadable that were trained from a bundle.

    They refer to the bundle's module, `ghost_blocks`; without it Ultralytics would offer to pip install that
    name. The classes here are the ones that the bundle was made from.
    """
    if MODULE_NAME not in sys.modules and importlib.util.find_spec(MODULE_NAME) is None:
        sys.modules[MODULE_NAME] = _stand_in()


@cache
def _stand_in() -> types.ModuleType:
    """A module of the bundle's name that holds our own classes."""
    import nas.blocks

    module = types.ModuleType(MODULE_NAME, "Stand-in for a bundle's module.")
    for found in pkgutil.iter_modules(nas.blocks.__path__, "nas.blocks."):
        source = importlib.import_module(found.name)
        members = {name: value for name, value in vars(source).items() if isinstance(value, type)}
        module.__dict__.update({name: value for name, value in members.items() if value.__module__ == source.__name__})
    assert set(vars(module)) >= nas.blocks.REGISTERED.keys()
    return module


@contextmanager
def named_as_in_a_bundle() -> Iterator[None]:
    """Inside, what is pickled refers to blocks as those of a bundle do.

    Such a file loads where ghostnas is, and with the bundle where it is not.
    """
    stand_in, before = _stand_in(), sys.modules.get(MODULE_NAME)
    ours = [(one, one.__module__) for one in vars(stand_in).values() if isinstance(one, type)]
    try:
        # Pickle takes a class for the one that its name leads to, so a bundle that is imported here must give way.
        sys.modules[MODULE_NAME] = stand_in
        for one, _ in ours:
            one.__module__ = MODULE_NAME
        yield
    finally:
        for one, name in ours:
            one.__module__ = name
        if before is None:
            del sys.modules[MODULE_NAME]
        else:
            sys.modules[MODULE_NAME] = before


def load_trained(path: Path) -> Checkpoint:
    """Load a checkpoint that a training wrote.

    Trained means: the file records the training's arguments and either the epochs' results or the final
    scores, or an average of weights that has been updated. Ultralytics writes all of these; a model that was
    only built and saved, and the weights of a search's short proxy trainings, have none of them.

    Raises:
        ModelError: There is no such file, it is no checkpoint, or it is not trained.
    """
    if path.suffix in (".yaml", ".yml"):
        raise ModelError(
            f"{path} is a design, not a trained model: its weights would be random. Train it first, "
            f"`ghostnas train {path}`, and give the best.pt of that training"
        )
    if not path.is_file():
        raise ModelError(f"there is no checkpoint {path}; give the best.pt of a training as --weights")
    from nas.model.builder import register

    register()
    know_bundled_blocks()
    content = _read(path)
    arguments = content.get("train_args") or {}
    epochs = len((content.get("train_results") or {}).get("epoch", ()))
    evidence = epochs or content.get("train_metrics") or (content.get("updates") or 0) > 0
    if not (arguments and evidence):
        raise ModelError(
            f"{path} holds no trace of a training (no epochs, scores or weight updates), so its weights may "
            "be random; train the model with `ghostnas train` and give the best.pt of that training"
        )
    from ultralytics.nn.tasks import DetectionModel, load_checkpoint

    try:
        with plainly(path) as file:
            model, _ = load_checkpoint(file)
    except Exception as error:
        raise ModelError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(model, DetectionModel) or model.task != "detect":
        raise ModelError(f"{path} must hold a detector, got {type(model).__name__}")
    bad = next((name for name, value in model.state_dict().items() if not value.isfinite().all()), None)
    if bad is not None:
        raise ModelError(f"{path}: the weights {bad} are not finite; the training diverged, train again")
    imgsz, data = arguments.get("imgsz"), arguments.get("data")
    return Checkpoint(path, model, imgsz if isinstance(imgsz, int) else 640, str(data) if data else None, epochs)


def resumable(path: Path) -> dict[str, Any]:
    """The arguments of a training that was broken off, from its checkpoint.

    Raises:
        UsageError: There is no such checkpoint, or its training is finished.
        ModelError: The file cannot be read, or is no checkpoint.
    """
    if path.suffix != ".pt" or not path.is_file():
        raise UsageError(
            f"resume= goes on from the last.pt of a training that was broken off, and {path} is none: "
            "`ghostnas train PROJECT/NAME/weights/last.pt resume=True`"
        )
    from nas.model.builder import register

    register()
    know_bundled_blocks()
    content = _read(path)
    arguments: dict[str, Any] = content.get("train_args") or {}
    begun = content.get("epoch", -1) + 1
    if content.get("optimizer") is None or not 0 < begun < arguments.get("epochs", 0):
        raise UsageError(
            f"{path} cannot be resumed: it lacks the epoch and the optimizer of a training that was broken off; "
            "to train it further, leave resume= out"
        )
    return arguments


def _read(path: Path) -> dict[str, Any]:
    from ultralytics.nn.tasks import torch_safe_load

    try:
        with plainly(path) as file:
            content, _ = torch_safe_load(file)
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{path} was made with the Python module {error.name!r}, which is not importable here; "
            "put its folder on PYTHONPATH"
        ) from error
    except Exception as error:
        raise ModelError(f"{path} is not a readable checkpoint: {type(error).__name__}: {error}") from error
    if not isinstance(content, dict) or not (content.get("model") or content.get("ema")):
        raise ModelError(
            f"{path} is no Ultralytics checkpoint. The weights of a search's short trainings cannot be "
            "deployed: train the design fully with `ghostnas train` and give the best.pt of that training"
        )
    return content
