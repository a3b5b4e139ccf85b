"""What the driver says of a GPU, by a driver that the test brings; and what that makes of the device's name."""

import ctypes
from collections.abc import Iterator
from typing import Any

import pytest

from nas.errors import LatencyError
from nas.latency.protocol import gpu as gpus
from nas.latency.protocol.gpu import Gpu, gpu
from nas.latency.protocol.probe import device_kind, fingerprint


class Driver:
    """Both libraries; every function answers 0 unless another code is asked for."""

    def __init__(self, *names: str, management: bool = True, **codes: int) -> None:
        self._names, self._management, self._codes = names, management, codes

    def open(self, name: str) -> "Driver":
        if name == "libnvidia-ml.so.1" and not self._management:
            raise OSError(f"{name}: cannot open shared object file")
        return self

    def cuInit(self, flags: int) -> int:
        return self._codes.get("cuInit", 0)

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = len(self._names)
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: ctypes.c_int) -> int:
        name.value = self._names[device.value].encode()
        return 0

    def cuDeviceGetUuid_v2(self, uuid: Any, device: ctypes.c_int) -> int:
        uuid[:] = [device.value + 1] * 16
        return self._codes.get("cuDeviceGetUuid_v2", 0)

    def cuDriverGetVersion(self, version: Any) -> int:
        version._obj.value = 13020
        return 0

    def nvmlInit_v2(self) -> int:
        return self._codes.get("nvmlInit_v2", 0)

    def nvmlSystemGetDriverVersion(self, text: Any, size: int) -> int:
        text.value = b"580.159.04"
        return 0


@pytest.fixture(autouse=True)
def no_name_is_kept() -> Iterator[None]:
    for named in (device_kind, fingerprint):
        named.cache_clear()
    yield
    for named in (device_kind, fingerprint):
        named.cache_clear()


def test_a_gpu_is_the_one_that_cuda_gives_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "driver_library", Driver("NVIDIA H200", "NVIDIA T4").open)
    assert gpu(0) == Gpu("NVIDIA H200", "01" * 16, "580.159.04")
    assert gpu(1) == Gpu("NVIDIA T4", "02" * 16, "580.159.04")


@pytest.mark.parametrize("driver", [Driver("Orin", management=False), Driver("Orin", nvmlInit_v2=9)])
def test_a_driver_without_management_says_its_cuda(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> None:
    monkeypatch.setattr(gpus, "driver_library", driver.open)
    assert gpu(0).driver == "for CUDA 13.2"


def _absent(name: str) -> Any:
    raise OSError(f"{name}: cannot open shared object file")


@pytest.mark.parametrize(
    ("library", "says"),
    [
        (_absent, "no cuda:1 here: NVIDIA's driver is not installed"),
        (Driver("NVIDIA H200").open, "no cuda:1 here: CUDA sees 1 GPUs"),
        (Driver("NVIDIA H200", cuInit=100).open, "no cuda:1 here: the driver's error 100"),
        (Driver("A", "B", cuDeviceGetUuid_v2=3).open, "does not say what cuda:1 is: its error 3"),
    ],
)
def test_a_gpu_that_is_not_there_has_no_name(monkeypatch: pytest.MonkeyPatch, library: Any, says: str) -> None:
    monkeypatch.setattr(gpus, "driver_library", library)
    with pytest.raises(LatencyError, match=says):
        fingerprint("cuda:1")


def test_the_name_tells_kind_and_driver_before_the_machine_and_the_gpu_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpus, "driver_library", Driver("NVIDIA H200", "NVIDIA H200").open)
    one, other = fingerprint("cuda:0"), fingerprint("cuda:1")
    assert one.startswith("NVIDIA H200, driver 580.159.04 (") and one.endswith(", GPU 01010101")
    assert one != other and device_kind("cuda:0") == device_kind("cuda:1")
    assert all(name.startswith(f"{device_kind('cuda:0')}, machine ") for name in (one, other))
