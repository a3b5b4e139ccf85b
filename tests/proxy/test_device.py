"""What a proxy does on a GPU, as far as a machine without one can tell."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from nas.errors import ProxyError
from nas.proxy.device import check_computes, find_precision, passing

CUDA = torch.device("cuda:1")


class Noting:
    """A gate that notes when it is held."""

    def __init__(self, events: list[str]) -> None:
        self._events = events

    @contextmanager
    def training(self) -> Iterator[None]:
        self._events.append("held")
        try:
            yield
        finally:
            self._events.append("let go")


@pytest.mark.parametrize(
    ("device", "events"),
    [
        (CUDA, ["held", "training", "waited for cuda:1", "let go"]),
        (torch.device("cpu"), ["held", "training", "let go"]),
    ],
)
@pytest.mark.parametrize("fails", [False, True])
def test_the_lock_is_let_go_when_the_device_is_done(
    device: torch.device, events: list[str], fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: seen.append(f"waited for {device}"))

    def step() -> None:
        with passing(Noting(seen), device):
            seen.append("training")
            if fails:
                raise ValueError("the loss is NaN")

    if fails:
        with pytest.raises(ValueError, match="NaN"):
            step()
    else:
        step()
    assert seen == events


@pytest.mark.parametrize(
    ("capability", "precision"), [((7, 5), "float32"), ((6, 0), "float32"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")]
)
def test_bfloat16_only_where_that_gpu_computes_in_it(
    capability: tuple[int, int], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(device: torch.device) -> tuple[int, int]:
        return capability if device == CUDA else (1, 0)

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)  # as torch says where it is emulated
    monkeypatch.setattr(torch.cuda, "get_device_capability", of)
    assert find_precision("auto", CUDA) == precision
    assert find_precision("bfloat16", CUDA) == "bfloat16"


def test_a_device_that_is_there_and_does_not_compute_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    check_computes(torch.device("cpu"))

    def no_kernel(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors")

    monkeypatch.setattr(torch, "ones", no_kernel)
    with pytest.raises(ProxyError, match=r"cannot compute on cuda:1 \(CUDA error: no kernel image .* on the device\);"):
        check_computes(CUDA)
