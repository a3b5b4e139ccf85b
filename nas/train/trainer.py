"""Full training of a chosen design with Ultralytics, its batches passed through the machine lock."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from nas.data import DetectionData, write_view
from nas.errors import ModelError, UsageError
from nas.model import Losses, know_bundled_blocks, load_model
from nas.proxy import find_precision
from nas.results import Design
from nas.train.arguments import ARGUMENT_ERRORS, Training, data_to_train_on
from nas.train.callbacks import (
    LockStepCallback,
    anneal_activations,
    check_kept,
    penalise,
    write_through,
)
from nas.train.start import write_start
from nas.util.machine_lock import MachineLock
from nas.util.paths import writable_dir
from nas.util.plain_path import plain_folder, plainly
from nas.util.ultralytics_env import use_current_folder, without_trackers

_ERRORS_OF_SETUP = (*ARGUMENT_ERRORS, RuntimeError, OSError)


def train(training: Training) -> Path:
    """Train with Ultralytics.

    Returns:
        The best checkpoint.

    Raises:
        ModelError: The model cannot be built, or the training left no checkpoint.
        DataError: The data cannot be used.
        UsageError: Ultralytics cannot begin the training as asked.
        StorageError: The folder of the trainings cannot be written.
    """
    use_current_folder()
    without_trackers()
    from ultralytics import YOLO

    # Checked first, so that every fault of the data is one message and nothing is ever downloaded.
    data = data_to_train_on(training)
    project = plain_folder(writable_dir(training.project))
    arguments = {**_device_defaults(training.arguments), **training.arguments}
    arguments["data"] = str(write_view(data, project / "data"))
    if "project" in arguments:
        arguments["project"] = str(project)
    know_bundled_blocks()
    load_model(training.model)  # every fault of the model is one message, too
    begins = training.model
    if training.start is not None:
        fresh = Design(training.model, training.model.stem, None, None)
        begins = write_start(training.start, fresh, data, int(training.arguments.get("imgsz", 640)), project)
    with plainly(begins) as design:
        model = YOLO(str(design), task="detect")
        begun: list[object] = []
        model.add_callback("on_train_start", begun.append)
        if project != training.project:
            model.add_callback("on_pretrain_routine_start", partial(write_through, project))
        _add_callbacks(model, training, data)
        try:
            model.train(**arguments)
        except _ERRORS_OF_SETUP as error:
            elsewhere = getattr(model.trainer, "ddp", False)  # in processes of their own, on several devices
            if not begun and not elsewhere:
                why = " ".join(str(error).partition("\n\n")[0].split())
                raise UsageError(f"Ultralytics cannot begin this training: {why}") from error
            if isinstance(error, FileNotFoundError) and _checkpoint(model.trainer) is None:
                raise ModelError(f"the training left no checkpoint: {error}") from error
            raise
    found = _checkpoint(model.trainer)
    assert found is not None, "Ultralytics has loaded it"
    return training.project / found.relative_to(project) if found.is_relative_to(project) else found


def _add_callbacks(model: Any, training: Training, data: DetectionData) -> None:
    model.add_callback("on_pretrain_routine_end", partial(check_kept, len(data.whole), len(data.val)))
    for event, callback in LockStepCallback(MachineLock()).callbacks().items():
        model.add_callback(event, callback)
    model.add_callback("on_train_epoch_start", anneal_activations)
    if training.losses != Losses():
        model.add_callback("on_train_start", partial(penalise, training.losses))


def _checkpoint(trainer: Any) -> Path | None:
    """The best checkpoint of a training, else its last; None where there is neither."""
    return next((path for path in map(Path, (trainer.best, trainer.last)) if path.is_file()), None)


def _device_defaults(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Mixed precision without Ultralytics' check, which needs weights from the network.

    bfloat16 where every GPU here computes in it (which Ultralytics does not check), float32 elsewhere.
    """
    import torch

    on_cpu = str(arguments.get("device", "")) == "cpu" or not torch.cuda.is_available()
    gpus = [] if on_cpu else [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    native = all(find_precision("auto", gpu) == "bfloat16" for gpu in gpus)
    return {"amp": "bf16" if gpus and native else False}
