"""Which runtimes there are, which are installed, and how to open a session in one. Imports none of them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from nas.errors import LatencyError, RuntimeMissing
from nas.latency.types import RUNTIMES, LatencySettings

if TYPE_CHECKING:  # an agent starts without numpy
    from nas.latency.artifacts.model_bytes import ModelBytes
    from nas.latency.runtimes.session import Session


@dataclass(frozen=True, slots=True)
class _Runtime:
    """Where a runtime's code is and what it needs: the module to import, the packages that bring it, the command."""

    file: str
    module: str
    packages: tuple[str, ...]
    install: str


_TORCH = ("torch", ("torch",), "pip install torch torchvision")

_RUNTIMES = {
    "onnxruntime": _Runtime(
        "onnxruntime", "onnxruntime", ("onnxruntime", "onnxruntime-gpu"), "pip install onnxruntime"
    ),
    "openvino": _Runtime("openvino", "openvino", ("openvino",), "pip install openvino"),
    "ncnn": _Runtime("ncnn", "ncnn", ("ncnn",), "pip install ncnn pnnx"),
    "torch": _Runtime("torch_eager", *_TORCH),
    "torch-cudagraph": _Runtime("torch_cudagraph", *_TORCH),
    "tensorrt": _Runtime(
        "tensorrt",
        "tensorrt",
        ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
        "pip install tensorrt cuda-bindings, on a machine with an NVIDIA GPU",
    ),
}


def is_installed(runtime: str) -> bool:
    """Whether a runtime can be imported (asked without importing it)."""
    try:
        return find_spec(_RUNTIMES[runtime].module) is not None
    except (ImportError, ValueError):
        return False


def runtime_version(runtime: str) -> str:
    """The installed version of a runtime.

    Raises:
        RuntimeMissing: It is not installed; the message says how to install it.
    """
    if is_installed(runtime):
        for package in _RUNTIMES[runtime].packages:
            try:
                return version(package)
            except PackageNotFoundError:
                continue
        # Built from source, or put there by the device's maker.
        own = getattr(import_module(_RUNTIMES[runtime].module), "__version__", None)
        if own is not None:
            return str(own)
    raise RuntimeMissing(f"runtime {runtime} is not installed; {_RUNTIMES[runtime].install}")


def available_runtimes() -> dict[str, str]:
    """Every runtime with its version, or with the pip command that installs it."""
    return {name: runtime_version(name) if is_installed(name) else _RUNTIMES[name].install for name in RUNTIMES}


def open_session(model: "ModelBytes", imgsz: int, settings: LatencySettings) -> "AbstractContextManager[Session]":
    """Open a session in the runtime that the settings name.

    Raises:
        RuntimeMissing: The runtime is not installed.
        LatencyError: The runtime cannot load the model as asked.
    """
    runtime_version(settings.runtime)
    try:
        module = import_module(f"nas.latency.runtimes.{_RUNTIMES[settings.runtime].file}")
    except ImportError as error:
        raise LatencyError(f"runtime {settings.runtime} is installed but does not import: {error}") from error
    opener: Callable[[ModelBytes, int, LatencySettings], AbstractContextManager[Session]] = module.open_session
    return opener(model, imgsz, settings)
