"""Where a number comes from: versions and machine, for `run.json` and the reports."""

import hashlib
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nas
from nas.util.passwords import masked
from nas.util.printable import shell_line
from nas.util.processor import processor

GRAPH = 2
"""One more whenever the same weights are rewritten into another graph (`rewrite/`), which takes another time."""

PACKAGES = (
    "torch",
    "torchvision",
    "ultralytics",
    "ultralytics-thop",
    "optuna",
    "ray",
    "onnx",
    "onnxruntime",
    "openvino",
    "numpy",
    "scipy",
    "scikit-learn",
)


def versions() -> dict[str, str]:
    """Version of ghostnas, Python and every package that can change a number; `not installed` where missing."""
    found = {"ghostnas": nas.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def host_machine() -> dict[str, str | int]:
    """Processor, cores and system of this machine; no host or user name."""
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def command() -> str:
    """The command line of this process, ready for a shell, without the folder of the program and without passwords."""
    return shell_line([Path(sys.argv[0]).name, *map(masked, sys.argv[1:])])


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
