"""OpenVINO on the CPU, from the same ONNX file as ONNX Runtime."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from nas.errors import LatencyError
from nas.latency.session import Session, check_input, image
from nas.latency.values import LatencySettings, Subject

_ELEMENT_TYPE = {"float32": "f32", "bfloat16": "bf16"}


@contextmanager
def open_session(subject: Subject, settings: LatencySettings) -> Iterator[Session]:
    """Compile the ONNX model with one stream, and prove that precision and threads are the ones asked for.

    Raises:
        LatencyError: There is no ONNX model, it cannot be compiled, or the CPU lacks the precision.
    """
    # OpenVINO imports its telemetry when it finds it, and that writes to the home folder and the network.
    # Without the module it goes on quietly.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino as ov

    if subject.onnx is None:
        raise LatencyError("runtime openvino needs the model as ONNX")
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
        compiled = core.compile_model(core.read_model(subject.onnx), "CPU", config)
    except Exception as error:
        raise LatencyError(f"OpenVINO cannot compile the model: {error}") from error
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    threads = compiled.get_property("INFERENCE_NUM_THREADS")
    if (precision, threads) != (wanted, settings.threads):
        raise LatencyError(
            f"OpenVINO runs the model in {precision} with {threads} threads, asked for {wanted} with {settings.threads}"
        )
    port = compiled.input(0)
    shape = [size.get_length() if size.is_static else None for size in port.get_partial_shape()]
    check_input(shape, port.get_element_type().get_type_name(), subject.imgsz)
    request = compiled.create_infer_request()
    request.set_input_tensor(ov.Tensor(image(subject.imgsz)))

    def run() -> None:
        # On the calling thread; shared outputs are not copied.
        request.infer(share_outputs=True)

    def outputs() -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
        return [np.array(request.get_output_tensor(index).data) for index in range(len(compiled.outputs))]

    yield Session(run, outputs)
