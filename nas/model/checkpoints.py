"""Trained checkpoints: loading them whoever trained them, and telling them from untrained ones."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.errors import ModelError, UsageError
from nas.model.bundled_blocks import know_bundled_blocks


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
    from ultralytics.nn.tasks import DetectionModel

    from nas.model.checkpoint_loading import load_detector

    model = load_detector(path)
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
    from nas.model.checkpoint_loading import load_file

    content = load_file(path)
    if not (content.get("model") or content.get("ema")):
        raise ModelError(
            f"{path} is no Ultralytics checkpoint. The weights of a search's short trainings cannot be "
            "deployed: train the design fully with `ghostnas train` and give the best.pt of that training"
        )
    return content
