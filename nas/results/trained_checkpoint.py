"""A trained finalist as a checkpoint of Ultralytics: its weights, and what is known of their training."""

from pathlib import Path
from typing import Any

from nas import __version__
from nas.study import Finalist, Outcome, finalist_weights, trained_model


def write_trained(outcome: Outcome, finalist: Finalist, path: Path) -> None:
    """Write a finalist with the weights of its longest training, as float32.

    Args:
        outcome: The search.
        finalist: One of its finalists.
        path: Where; what lies there is replaced.

    Raises:
        StudyError: The weights cannot be read.
        StorageError: The checkpoint cannot be written.
    """
    from nas.model import save_checkpoint

    architecture = finalist.evaluation.architecture
    model = trained_model(architecture, outcome.settings.data.classes, finalist_weights(outcome.folder, finalist))
    model.names = dict(enumerate(outcome.class_names))
    save_checkpoint(path, model, _arguments(outcome, finalist), {**_metrics(finalist), **_origin(outcome, finalist)})


def _arguments(outcome: Outcome, finalist: Finalist) -> dict[str, Any]:
    """The training in Ultralytics' words."""
    settings = outcome.settings
    known = {
        "task": "detect",
        "mode": "train",
        "model": f"front/{finalist.record.label}.yaml",
        "data": outcome.data_file,
        "fraction": settings.data.fraction,
        "epochs": max(1, round(_steps(outcome, finalist) * settings.proxy.batch / outcome.data_sizes["train"])),
        "batch": settings.proxy.batch,
        "imgsz": finalist.evaluation.architecture.imgsz,
        "device": settings.proxy.train_device,
        "optimizer": "AdamW",
        "seed": settings.proxy.seed,
    }
    lr = _learning_rate(outcome, finalist)
    return known if lr is None else {**known, "lr0": lr}


def _steps(outcome: Outcome, finalist: Finalist) -> int:
    return finalist.steps or outcome.proxy_steps


def _learning_rate(outcome: Outcome, finalist: Finalist) -> float | None:
    """The peak learning rate; None of a proxy that trained at several, of which the best is not kept."""
    if finalist.longest is not None:
        return finalist.longest.lr
    return None if finalist.record.baseline and outcome.source is not None else outcome.protocol["lr"]


def _metrics(finalist: Finalist) -> dict[str, Any]:
    """The float32 model's score on val, under Ultralytics' names."""
    score = finalist.final.val_float or finalist.final.val
    found = {"metrics/mAP50(B)": score.map50, "metrics/mAP50-95(B)": score.map50_95, "fitness": score.map50_95}
    return {"train_metrics": found}


def _origin(outcome: Outcome, finalist: Finalist) -> dict[str, Any]:
    """Whence it comes, in words that Ultralytics has none for."""
    about = {"version": __version__, "run": outcome.folder.name, "design": finalist.record.label}
    return {"ghostnas": {**about, "steps": _steps(outcome, finalist), "beginning": outcome.settings.beginning}}
