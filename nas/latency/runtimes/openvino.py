"""OpenVINO on the CPU, from the same ONNX file as ONNX Runtime."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import LatencyError
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.latency.runtimes.plain_words import TRY, reasons
from nas.latency.runtimes.session import Session, check_input, image
from nas.latency.types import LatencySettings

# An INT8 file says itself what is computed in INT8; the rest of it stays float32.
_ELEMENT_TYPE = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}


@contextmanager
def open_session(model: ModelBytes, imgsz: int, settings: LatencySettings) -> Iterator[Session]:
    """Compile the ONNX model with one stream, and prove that precision and threads are the ones asked for.

    Raises:
        LatencyError: It is no ONNX model, it cannot be compiled, or the CPU lacks the precision.
    """
    # OpenVINO imports its telemetry when it finds it, and that writes to the home folder and the network.
    # Without the module it goes on quietly.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino as ov

    if model.kind != "onnx":
        raise LatencyError(f"runtime openvino needs the model as ONNX, got {model.kind}")
    core = ov.Core()
    wanted = _ELEMENT_TYPE[settings.precision]
    if wanted == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise LatencyError("this CPU has no bfloat16 arithmetic; measure with --precision float32")
    config = {
        # Left alone, OpenVINO silently takes bfloat16 where the CPU has it.
        "INFERENCE_PRECISION_HINT": wanted,
        "INFERENCE_NUM_THREADS": settings.threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        # Pinned, a thread cannot leave a core that something else has taken.
        "ENABLE_CPU_PINNING": False,
    }
    try:
        graph = core.read_model(model.data)
        compiled = core.compile_model(graph, "CPU", config)
    except Exception as error:
        raise LatencyError(f"OpenVINO cannot compile the model: {reasons(error)}; {TRY}") from error
    _prove(graph, compiled, wanted, settings.threads)
    port = compiled.input(0)
    shape = [size.get_length() if size.is_static else None for size in port.get_partial_shape()]
    check_input(shape, port.get_element_type().get_type_name(), imgsz)
    request = compiled.create_infer_request()
    taken = ov.Tensor(image(imgsz))
    request.set_input_tensor(taken)

    def run() -> None:
        # On the calling thread; shared outputs are not copied.
        request.infer(share_outputs=True)

    def outputs() -> list[NDArray[np.float32]]:
        return [np.array(request.get_output_tensor(index).data) for index in range(len(compiled.outputs))]

    def feed(picture: NDArray[np.float32]) -> None:
        taken.data[:] = picture

    yield Session(run, outputs, feed)


def _prove(graph: Any, compiled: Any, wanted: str, wanted_threads: int) -> None:
    """Read back what was compiled.

    Raises:
        LatencyError: Threads or precision are not the ones asked for.
    """
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    threads = compiled.get_property("INFERENCE_NUM_THREADS")
    if (precision, threads) != (wanted, wanted_threads):
        raise LatencyError(
            f"OpenVINO runs the model in {precision} with {threads} threads, asked for {wanted} with {wanted_threads}"
        )
    if any(node.get_type_name() == "FakeQuantize" for node in graph.get_ops()) and not quantised_layers(compiled):
        raise LatencyError(
            "the model is quantised, and OpenVINO runs none of its convolutions in INT8 on this CPU; "
            "measure with --precision float32"
        )


def quantised_layers(compiled: Any) -> int:
    """How many convolutions of a compiled model are computed in 8 bits."""
    layers = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    return sum(
        str(layer["layerType"].astype(str)) == "Convolution" and layer["runtimePrecision"].astype(str) in ("i8", "u8")
        for layer in layers
        if "layerType" in layer and "runtimePrecision" in layer
    )
