"""What NVIDIA's driver says of a GPU. Standard library only, and no CUDA context is made: it takes no memory there."""

import ctypes
from dataclasses import dataclass
from typing import Any

from nas.errors import LatencyError

_CUDA, _MANAGEMENT = "libcuda.so.1", "libnvidia-ml.so.1"
_TEXT_BYTES = 96


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU, or the part of one that MIG gives a program.

    Attributes:
        name: Such as `NVIDIA H200`.
        uuid: 32 hexadecimal digits, of this one GPU in the world.
        driver: Version of the driver; on devices without NVIDIA's management library (Jetson), of the CUDA it speaks.
    """

    name: str
    uuid: str
    driver: str


def gpu(index: int) -> Gpu:
    """The GPU to which CUDA gives this number, in this process.

    The driver itself is asked, so `CUDA_VISIBLE_DEVICES`, `CUDA_DEVICE_ORDER` and MIG count as they do for a runtime.

    Args:
        index: The N of `cuda:N`.

    Raises:
        LatencyError: There is no driver here, or no such GPU.
    """
    try:
        cuda = driver_library(_CUDA)
    except OSError as error:
        raise LatencyError(
            f"there is no cuda:{index} here: NVIDIA's driver is not installed ({error}); measure on another device"
        ) from error
    code, count = cuda.cuInit(0), ctypes.c_int()
    code = code or cuda.cuDeviceGetCount(ctypes.byref(count))
    if code or index >= count.value:
        why = f"the driver's error {code}" if code else f"CUDA sees {count.value} GPUs"
        raise LatencyError(f"there is no cuda:{index} here: {why}; nvidia-smi and CUDA_VISIBLE_DEVICES tell more")
    device, name, uuid = ctypes.c_int(), ctypes.create_string_buffer(_TEXT_BYTES), (ctypes.c_ubyte * 16)()
    code = (
        cuda.cuDeviceGet(ctypes.byref(device), index)
        or cuda.cuDeviceGetName(name, _TEXT_BYTES, device)
        or cuda.cuDeviceGetUuid_v2(uuid, device)
    )
    if code:
        raise LatencyError(f"the driver does not say what cuda:{index} is: its error {code}")
    return Gpu(name.value.decode(), bytes(uuid).hex(), _driver(cuda))


def _driver(cuda: Any) -> str:
    text = ctypes.create_string_buffer(_TEXT_BYTES)
    try:
        management = driver_library(_MANAGEMENT)
    except OSError:
        management = None
    if management is not None and not (
        management.nvmlInit_v2() or management.nvmlSystemGetDriverVersion(text, _TEXT_BYTES)
    ):
        return text.value.decode()
    version = ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    return f"for CUDA {version.value // 1000}.{version.value % 1000 // 10}"


def driver_library(name: str) -> Any:
    return ctypes.CDLL(name)
