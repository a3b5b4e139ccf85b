"""Ultralytics' settings for this process: where outputs go, and no reports to third parties.

Ultralytics keeps its settings in a file, remembers the folder of its very first use as the place of all
outputs, and reports trainings to every tracker that is installed. The changes here hold for this process; the
file stays as it is.
"""

from collections.abc import Mapping
from pathlib import Path

_TRACKERS = ("clearml", "comet", "dvc", "hub", "mlflow", "neptune", "platform", "tensorboard", "wandb")


def use_current_folder() -> None:
    """Outputs go to `runs/` of the current folder; no telemetry, and no report to a Ray trial."""
    _change({"runs_dir": str(Path.cwd() / "runs"), "sync": False, "raytune": False})


def without_trackers() -> None:
    """No training is reported anywhere; call it before the training's first callback is made."""
    _change(dict.fromkeys(_TRACKERS, False))


def _change(values: Mapping[str, object]) -> None:
    from ultralytics.utils import SETTINGS

    for name, value in values.items():
        if name in SETTINGS:
            dict.__setitem__(SETTINGS, name, value)  # SETTINGS' own method would write the file
