"""TensorRT on an NVIDIA GPU, from ONNX; the engine is built on the device. Implemented, not measured.

Networks are strongly typed: every tensor has the type that the file gives it, so a float16 file runs in float16 and a
quantised one in INT8, and no builder flag can choose otherwise. Device memory is handled by NVIDIA's own Python
bindings, so torch is not needed.
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import LatencyError, RuntimeMissing
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.latency.protocol.probe import fingerprint
from nas.latency.runtimes.plain_words import TRY, reasons
from nas.latency.runtimes.session import Session, check_input, image
from nas.latency.types import LatencySettings
from nas.util.paths import cache_subdir


@contextmanager
def open_session(model: ModelBytes, imgsz: int, settings: LatencySettings) -> Iterator[Session]:
    """Build the engine and bind its input and outputs on the device, so that no copy is timed.

    Raises:
        RuntimeMissing: NVIDIA's Python bindings are not installed.
        LatencyError: It is no ONNX model, the engine cannot be built, or there is no such device.
    """
    import tensorrt as trt

    if model.kind != "onnx":
        raise LatencyError(f"runtime tensorrt needs the model as ONNX, got {model.kind}")
    cuda = _cuda()
    _done(cuda.cudaSetDevice(int(settings.device.partition(":")[2])), f"there is no {settings.device}")
    started = time.monotonic()
    logger = trt.Logger(trt.Logger.ERROR)
    plan = _build(trt, logger, model.data, _timing_cache(trt.__version__, settings.device))
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    context = engine.create_execution_context() if engine is not None else None
    if context is None:
        raise LatencyError("TensorRT cannot load the engine that it has built; is the GPU's memory full?")
    build_s = time.monotonic() - started
    with ExitStack() as stack:
        stream = _done(cuda.cudaStreamCreate(), "no CUDA stream")
        stack.callback(cuda.cudaStreamDestroy, stream)
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        taken = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        host = {
            name: np.empty(tuple(engine.get_tensor_shape(name)), trt.nptype(engine.get_tensor_dtype(name)))
            for name in names
        }
        check_input(host[taken[0]].shape, host[taken[0]].dtype.name, imgsz)
        place = {name: _reserved(cuda, stack, array.nbytes) for name, array in host.items()}
        for name, address in place.items():
            context.set_tensor_address(name, address)

        def wait() -> None:
            _done(cuda.cudaStreamSynchronize(stream), "the GPU stopped")

        def run() -> None:
            if not context.execute_async_v3(int(stream)):
                raise LatencyError("TensorRT could not start the engine")
            wait()

        def outputs() -> list[NDArray[np.float32]]:
            return [
                _fetched(cuda, array, place[name]).astype(np.float32)
                for name, array in host.items()
                if name not in taken
            ]

        def feed(picture: NDArray[np.float32]) -> None:
            pixels = np.ascontiguousarray(picture, dtype=np.float32)
            kind = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
            _done(cuda.cudaMemcpy(place[taken[0]], pixels.ctypes.data, pixels.nbytes, kind), "no copy to the GPU")

        feed(image(imgsz))
        yield Session(run, outputs, feed, build_s)


def _cuda() -> Any:
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise RuntimeMissing(
            f"runtime tensorrt needs NVIDIA's Python bindings ({error}); pip install cuda-bindings"
        ) from error
    return runtime


def _build(trt: Any, logger: Any, onnx: bytes, kept: Path) -> Any:
    """The serialised engine; how fast each kernel was is read from and added to a file that all builds share."""
    builder = trt.Builder(logger)
    network = builder.create_network(strongly_typed(trt.NetworkDefinitionCreationFlag))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx):
        raise LatencyError(f"TensorRT cannot read the model: {reasons(parser.get_error(0).desc())}; {TRY}")
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # float32 means float32
    known = config.create_timing_cache(kept.read_bytes() if kept.is_file() else b"")
    if not config.set_timing_cache(known, ignore_mismatch=False):  # of another driver
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise LatencyError("TensorRT cannot build an engine of the model on this GPU; its reasons are above")
    _keep(config.get_timing_cache(), kept)
    return plan


def strongly_typed(flags: Any) -> int:
    """The flags of a strongly typed network. Since TensorRT 11 every network is; before, only those that ask for it.

    Args:
        flags: TensorRT's enumeration of them, of any version.
    """
    flag = getattr(flags, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _timing_cache(version: str, device: str) -> Path:
    # Times of another GPU or version would be refused, and rightly.
    name = "".join(letter if letter.isalnum() else "-" for letter in f"{fingerprint(device)} {version}")
    return cache_subdir("tensorrt", needed_bytes=2**24) / f"{name}.timing"


def _keep(cache: Any, path: Path) -> None:
    """Store the timings; of two builds that end at once the later stays, and the other's are timed again some day."""
    draft = path.with_suffix(f".{os.getpid()}.part")
    draft.write_bytes(bytes(cache.serialize()))
    draft.replace(path)


def _reserved(cuda: Any, stack: ExitStack, size: int) -> int:
    address: int = _done(cuda.cudaMalloc(size), f"the GPU has no {size} bytes left")
    stack.callback(cuda.cudaFree, address)
    return address


def _fetched(cuda: Any, array: NDArray[Any], address: int) -> NDArray[Any]:
    kind = cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
    _done(cuda.cudaMemcpy(array.ctypes.data, address, array.nbytes, kind), "no copy from the GPU")
    return array


def _done(result: tuple[Any, ...], failure: str) -> Any:
    """The value of a CUDA call, which answers with its code first.

    Raises:
        LatencyError: The call failed.
    """
    code, *values = result
    if int(code):
        raise LatencyError(f"{failure} ({getattr(code, 'name', code)})")
    return values[0] if values else None
