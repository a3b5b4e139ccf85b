"""Keeps the libraries below off the network, out of the home folder and away from the screen.

`prepare()` sets environment variables that Ultralytics, Matplotlib, Ray, ONNX Runtime and OpenVINO read when they are
imported; call it before importing any of them. They are set whatever the environment holds, as that of a notebook or of
a container; only whether Ultralytics may use the network stays the user's to choose.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from nas.util.checkpoint_trust import tell_ultralytics
from nas.util.paths import cache_dir, cache_subdir

USERS_CONFIG = "GHOSTNAS_USERS_YOLO_CONFIG_DIR"
"""Holds the YOLO_CONFIG_DIR that the user has set, which is replaced here."""


def prepare() -> None:
    """Set the environment for offline, quiet libraries (idempotent).

    Raises:
        StorageError: The cache folder is not known, or cannot be written.
    """
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    tell_ultralytics()
    ours, given = str(cache_subdir("ultralytics", needed_bytes=2**20)), os.environ.get("YOLO_CONFIG_DIR")
    if given not in (None, ours):
        os.environ[USERS_CONFIG] = given
    os.environ.update(
        {
            "GHOSTNAS_CACHE": str(cache_dir()),  # child processes may run in another folder
            "YOLO_CONFIG_DIR": ours,
            "MPLCONFIGDIR": str(cache_subdir("matplotlib", needed_bytes=2**20)),
            "MPLBACKEND": "agg",
            "ORT_DISABLE_TELEMETRY": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AIR_NEW_OUTPUT": "0",
        }
    )
    if os.path.expanduser("~") == "~":  # no HOME, and a user without a name: libraries would make a folder of that name
        os.environ["HOME"] = str(cache_dir())


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
