"""PyTorch in eager mode: CPU (channels last) and CUDA (synchronised)."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import LatencyError
from nas.latency.session import Session, image
from nas.latency.values import LatencySettings, Subject
from nas.offline import prepare


def _tensors(value: Any) -> list[Any]:
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [tensor for item in value for tensor in _tensors(item)] if isinstance(value, list | tuple) else []


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def open_session(subject: Subject, settings: LatencySettings) -> Iterator[Session]:
    """Move a copy of the module to the device; torch's thread count is restored when the session closes.

    Raises:
        LatencyError: There is no module, or no such device.
    """
    prepare()
    import torch

    if subject.module is None:
        raise LatencyError("runtime torch needs the model as a torch module")
    on_gpu = settings.device != "cpu"
    if on_gpu and int(settings.device.partition(":")[2]) >= torch.cuda.device_count():
        raise LatencyError(f"torch sees {torch.cuda.device_count()} CUDA devices, so there is no {settings.device}")
    dtype = getattr(torch, settings.precision)
    place = torch.device(settings.device)
    model = copy.deepcopy(subject.module).eval().to(place, dtype).to(memory_format=torch.channels_last)
    picture = torch.from_numpy(image(subject.imgsz)).to(place, dtype).to(memory_format=torch.channels_last)
    last: list[Any] = []

    def run() -> None:
        last[:] = [model(picture)]
        if on_gpu:
            torch.cuda.synchronize(place)

    def outputs() -> list[NDArray[np.float32]]:
        return [tensor.float().cpu().numpy() for tensor in _tensors(last)]

    with ExitStack() as stack:
        stack.enter_context(_threads(settings.threads))
        stack.enter_context(torch.inference_mode())
        if on_gpu:
            # The input size never changes, so cuDNN may choose its kernels once; TF32 off: float32 means
            # float32.
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False))
        yield Session(run, outputs)
