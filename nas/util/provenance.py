"""Where a number comes from: versions and machine, for `run.json` and the reports."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nas
from nas.util.printable import shell_line

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
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def command() -> str:
    """The command line of this process, ready for a shell, without the folder of the program."""
    return shell_line([Path(sys.argv[0]).name, *sys.argv[1:]])


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
