"""PyTorch in eager mode: CPU (channels last) and CUDA (synchronised)."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import LatencyError
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.latency.artifacts.torch_file import from_pt
from nas.latency.protocol.reference_nets import COMPUTE, MEMORY, reference_module
from nas.latency.runtimes.session import Session, image
from nas.latency.types import LatencySettings
from nas.util.ultralytics_env import prepare

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Placed:
    """A module and its input on the device.

    Attributes:
        module: In evaluation mode, in the precision that was asked for.
        picture: (1, 3, imgsz, imgsz), channels last, same device and precision.
    """

    module: "nn.Module"
    picture: "Tensor"

    def feed(self, pixels: NDArray[np.float32]) -> None:
        """Put another picture into the input's place."""
        import torch

        self.picture.copy_(torch.from_numpy(pixels))


@contextmanager
def open_session(model: ModelBytes, imgsz: int, settings: LatencySettings) -> Iterator[Session]:
    """Load the module onto the device; torch's thread count is restored when the session closes.

    Raises:
        LatencyError: It is no torch model, it cannot be loaded, or there is no such device.
    """
    with placed(model, imgsz, settings) as there:
        last: list[Any] = []
        wait = waiter(settings.device)

        def run() -> None:
            last[:] = [there.module(there.picture)]
            wait()

        yield Session(run, lambda: arrays(last), there.feed)


@contextmanager
def placed(model: ModelBytes, imgsz: int, settings: LatencySettings) -> Iterator[Placed]:
    """A module on its device, with torch set up as the settings say for as long as the context lasts.

    Raises:
        LatencyError: It is no torch model, it cannot be loaded, or there is no such device.
    """
    prepare()
    import torch

    on_gpu = settings.device != "cpu"
    if on_gpu and int(settings.device.partition(":")[2]) >= torch.cuda.device_count():
        raise LatencyError(
            f"torch sees {torch.cuda.device_count()} CUDA devices, so there is no {settings.device}; nvidia-smi -L "
            "lists what the driver has, and a torch built without CUDA sees none"
        )
    module = _module(model, settings.runtime)
    dtype = getattr(torch, settings.precision)
    place = torch.device(settings.device)
    with ExitStack() as stack:
        stack.enter_context(_threads(settings.threads))
        stack.enter_context(torch.inference_mode())
        if on_gpu:
            # The input size never changes, so cuDNN may choose its kernels once; TF32 off: float32 means float32.
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False))
            stack.enter_context(torch.cuda.device(place))
        module = module.eval().to(place, dtype).to(memory_format=torch.channels_last)
        if model.kind == "pt" and dtype != torch.float32:
            _decode_in_float32(module)
        picture = torch.from_numpy(image(imgsz)).to(place, dtype).to(memory_format=torch.channels_last)
        yield Placed(module, picture)


def waiter(device: str) -> Callable[[], None]:
    """What waits until a device is done; on the CPU every call has returned by itself."""
    if device == "cpu":
        return lambda: None
    import torch

    place = torch.device(device)
    return lambda: torch.cuda.synchronize(place)


def arrays(outputs: Any) -> list[NDArray[np.float32]]:
    """Every tensor of a module's outputs, however they are nested, on the host in float32."""
    import torch

    if isinstance(outputs, torch.Tensor):
        return [outputs.float().cpu().numpy()]
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    return [array for item in outputs for array in arrays(item)] if isinstance(outputs, list | tuple) else []


def _module(model: ModelBytes, runtime: str) -> "nn.Module":
    if model.kind == "reference":
        for reference in (COMPUTE, MEMORY):
            if reference.name.encode() == model.data:
                return reference_module(reference)
        raise LatencyError(f"there is no reference network {model.data!r}; use the same ghostnas on both sides")
    if model.kind != "pt":
        raise LatencyError(f"runtime {runtime} needs the model as a torch checkpoint, got {model.kind}")
    return from_pt(model.data)


def _decode_in_float32(module: "nn.Module") -> None:
    """Let Detect decode in float32 behind convolutions of fewer bits, as the tail of an ONNX file does, in place.

    Ultralytics converts the whole module. Then pixels from 512 on are rounded to halves in float16, and to fours in
    bfloat16.
    """
    from ultralytics.nn.modules.head import Detect

    for head in module.modules():
        if isinstance(head, Detect):
            head.dfl.float()
            head.stride = head.stride.float()
            head._inference = partial(_decoded, head)


def _decoded(head: Any, outputs: dict[str, Any]) -> "Tensor":
    maps = outputs["feats"]
    if head.shape != maps[0].shape:  # then it makes its anchors, in the type of the maps
        maps = [one.float() for one in maps]
    in_float32 = {**outputs, "boxes": outputs["boxes"].float(), "scores": outputs["scores"].float(), "feats": maps}
    decoded: Tensor = type(head)._inference(head, in_float32)
    return decoded


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        if torch.get_num_threads() != count:
            raise LatencyError(f"torch runs with {torch.get_num_threads()} threads, asked for {count}")
        yield
    finally:
        torch.set_num_threads(before)
