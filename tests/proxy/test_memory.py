"""What runs out of memory in a proxy is one ProxyError, wherever it happens; a GPU's memory is given back."""

import gc
import weakref
from typing import Any

import pytest
import torch
from torch import nn

from nas.data import DetectionData
from nas.errors import ProxyError
from nas.proxy import ProxySettings, train, train_proxy, validate, validation
from nas.proxy.memory import enough_memory, release

from .conftest import MakeModel

SETTINGS = ProxySettings(steps=1, batch=4, recalibration=4)
CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")
WHERE = [
    (nn.Module, "to", "a training at batch 4 and 32 px"),
    (train, "AveragedWeights", "a training at batch 4 and 32 px"),
    (train, "descend", "a training at batch 4 and 32 px"),
    (train, "recalibrate", "a training at batch 4 and 32 px"),
    (validation, "matches", "the score of a model at 32 px"),
]
SAID = [
    CUDA,
    RuntimeError("CUDA error: out of memory"),  # no room for a context
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 16 bytes."),
    MemoryError("Unable to allocate 16 bytes"),
]


@pytest.mark.parametrize(("place", "name", "doing"), WHERE)
def test_memory_that_ends_anywhere_in_a_proxy_is_one_error(
    place: Any, name: str, doing: str, small_data: DetectionData, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise CUDA

    model, before = make_model(), torch.get_num_threads()
    monkeypatch.setattr(place, name, full)
    with pytest.raises(ProxyError, match=f"out of memory on cpu: {doing} does not fit .* use fewer --workers"):
        train_proxy(model, small_data, 32, SETTINGS)
    assert torch.get_num_threads() == before


def test_a_score_alone_says_it_too(
    small_data: DetectionData, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model()
    monkeypatch.setattr(model, "forward", lambda images: torch.empty(2**60))
    with pytest.raises(ProxyError, match="out of memory on cpu: the score of a model at 32 px"):
        validate(model, small_data.select, small_data, 32)


@pytest.mark.parametrize("error", SAID)
def test_every_way_of_saying_it_is_understood(error: Exception) -> None:
    with pytest.raises(ProxyError, match="out of memory on cuda:1: it does not fit"), _guarded():
        raise error


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: an illegal memory access was encountered"), ValueError()])
def test_another_error_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as found, _guarded():
        raise error
    assert found.value is error


def test_the_error_does_not_hold_what_filled_the_memory() -> None:
    held = []

    def training() -> None:
        large = torch.zeros(1)
        held.append(weakref.ref(large))
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ProxyError), _guarded():
        training()
    gc.collect()
    assert held[0]() is None


@pytest.mark.parametrize(("device", "times"), [("cuda:1", 1), ("cpu", 0)])
def test_a_gpus_memory_is_given_back(device: str, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    emptied: list[None] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(None))
    release(torch.device(device))
    assert len(emptied) == times


@pytest.mark.parametrize("fails", [False, True])
def test_a_proxy_gives_memory_back_when_it_ends(
    fails: bool, small_data: DetectionData, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    def trained(*_: object) -> str:
        events.append("trained")
        if fails:
            raise CUDA
        return "the result"

    monkeypatch.setattr(train, "trained", trained)
    monkeypatch.setattr(train, "release", lambda device: events.append(f"released {device}"))
    if fails:
        with pytest.raises(ProxyError):
            train_proxy(make_model(), small_data, 32, SETTINGS)
    else:
        assert train_proxy(make_model(), small_data, 32, SETTINGS) == "the result"
    assert events == ["trained", "released cpu"]


def test_a_score_computes_in_float32(small_data: DetectionData, make_model: MakeModel) -> None:
    model, seen = make_model(), []
    before = torch.backends.cudnn.allow_tf32
    model.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.allow_tf32))
    validate(model, small_data.select, small_data, 32)
    assert seen and not any(seen)
    assert torch.backends.cudnn.allow_tf32 == before


def _guarded() -> Any:
    return enough_memory("it", torch.device("cuda:1"))
