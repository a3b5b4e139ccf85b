"""What the training machine computes in, and how many threads it may use."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any, Literal, Protocol

import torch

from nas.errors import ProxyError

Precision = Literal["float32", "bfloat16"]

_AMPERE = 8  # major compute capability of the first GPUs with bfloat16 arithmetic


class TrainingLock(Protocol):
    """What a proxy needs of a machine lock: something to pass through with every batch."""

    def training(self) -> AbstractContextManager[None]:
        """Wait while a latency is measured, then hold the machine for one batch."""


@contextmanager
def passing(lock: TrainingLock | None, device: torch.device) -> Iterator[None]:
    """One batch's pass through the machine lock; nothing without one.

    Args:
        lock: The machine lock.
        device: Where the batch computes; it has nothing left to do when the machine lock is let go.
    """
    if lock is None:
        yield
        return
    with lock.training():
        try:
            yield
        finally:
            settle(device)


def settle(device: torch.device) -> None:
    """Wait until a device has done what it was given; a CPU's calls return when they are done.

    Args:
        device: The device.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def find_device(name: str) -> torch.device:
    """The device of that name.

    Args:
        name: `cpu`, `cuda` or `cuda:N`.

    Raises:
        ProxyError: It is not there.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ProxyError(f"unknown training device {name!r}; known are cpu, cuda and cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise ProxyError(f"proxies train on cpu or cuda:N, not on {name!r}")
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise ProxyError(
            f"the training device {name} is not there: torch sees {torch.cuda.device_count()} CUDA devices"
        )
    return device


def check_computes(device: torch.device) -> None:
    """Compute something on a device, whose presence says nothing of its memory, its mode or torch's kernels for it.

    Args:
        device: The device.

    Raises:
        ProxyError: It does not compute.
    """
    try:
        torch.ones(2, device=device).sum().item()
    except RuntimeError as error:
        why = " ".join(str(error).partition("\n")[0].split())
        raise ProxyError(
            f"torch cannot compute on {device} ({why}); use --train-device cpu, or a torch built for this GPU where it "
            "is neither full nor used by another alone"
        ) from error


def find_precision(asked: str, device: torch.device) -> Precision:
    """What to train in: bfloat16 where the device computes in it itself, else float32.

    Args:
        asked: `auto`, `float32` or `bfloat16`.
        device: Where the training runs.
    """
    if asked == "auto":
        native = _gpu_computes_bfloat16(device) if device.type == "cuda" else _cpu_computes_bfloat16()
        return "bfloat16" if native else "float32"
    return "bfloat16" if asked == "bfloat16" else "float32"


def _gpu_computes_bfloat16(device: torch.device) -> bool:
    # `torch.cuda.is_bf16_supported` is also true where it is emulated (T4, V100), and asks the current device.
    return torch.cuda.get_device_capability(device)[0] >= _AMPERE


@lru_cache(maxsize=1)
def _cpu_computes_bfloat16() -> bool:
    # Emulated bfloat16 (AVX2, plain AVX-512) is slower than float32. torch's own question has a private name
    # that differs between versions; Linux says it in /proc/cpuinfo.
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            flags = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """Compute in this precision.

    Args:
        device: Where.
        precision: In what.
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")
