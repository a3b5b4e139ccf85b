"""Which runtimes there are, which are installed, and how to open a session in one. Imports none of them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from nas.errors import LatencyError, RuntimeMissing
from nas.latency.values import RUNTIMES, LatencySettings

if TYPE_CHECKING:  # an agent starts without numpy
    from nas.latency.artifact import ModelBytes
    from nas.latency.session import Session

_FILES = {"onnxruntime": "runtime_ort", "openvino": "runtime_openvino", "torch": "runtime_torch"}
_PACKAGES = {
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "openvino": ("openvino",),
    "torch": ("torch",),
}
_INSTALL = {
    "onnxruntime": "pip install onnxruntime",
    "openvino": 'pip install "ghostnas[openvino]"',
    "torch": "pip install torch torchvision",
}


def is_installed(runtime: str) -> bool:
    """Whether a runtime can be imported (asked without importing it)."""
    try:
        return find_spec(runtime) is not None
    except (ImportError, ValueError):
        return False


def runtime_version(runtime: str) -> str:
    """The installed version of a runtime.

    Raises:
        RuntimeMissing: It is not installed; the message says how to install it.
    """
    if is_installed(runtime):
        for package in _PACKAGES[runtime]:
            try:
                return version(package)
            except PackageNotFoundError:
                continue
    raise RuntimeMissing(f"runtime {runtime} is not installed; {_INSTALL[runtime]}")


def available_runtimes() -> dict[str, str]:
    """Every runtime with its version, or with the pip command that installs it."""
    return {name: runtime_version(name) if is_installed(name) else _INSTALL[name] for name in RUNTIMES}


def open_session(model: "ModelBytes", imgsz: int, settings: LatencySettings) -> "AbstractContextManager[Session]":
    """Open a session in the runtime that the settings name.

    Raises:
        RuntimeMissing: The runtime is not installed.
        LatencyError: The runtime cannot load the model as asked.
    """
    runtime_version(settings.runtime)
    try:
        module = import_module(f"nas.latency.{_FILES[settings.runtime]}")
    except ImportError as error:
        raise LatencyError(f"runtime {settings.runtime} is installed but does not import: {error}") from error
    opener: Callable[[ModelBytes, int, LatencySettings], AbstractContextManager[Session]] = module.open_session
    return opener(model, imgsz, settings)
