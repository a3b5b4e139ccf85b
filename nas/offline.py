"""Keeps the libraries below off the network and out of the home folder.

`prepare()` sets environment variables that Ultralytics, Matplotlib, Ray, ONNX Runtime and OpenVINO read when they are
imported; call it before importing any of them. A variable that the user has set already stays.
"""

import os

from nas.paths import cache_subdir


def prepare() -> None:
    """Set the environment for offline, quiet libraries (idempotent).

    Raises:
        StorageError: The cache folder cannot be written.
    """
    settings = {
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "YOLO_CONFIG_DIR": str(cache_subdir("ultralytics", needed_bytes=2**20)),
        "MPLCONFIGDIR": str(cache_subdir("matplotlib", needed_bytes=2**20)),
        "ORT_DISABLE_TELEMETRY": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AIR_NEW_OUTPUT": "0",
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)
