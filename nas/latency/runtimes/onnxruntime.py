"""ONNX Runtime: CPU, and CUDA through onnxruntime-gpu."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from nas.errors import LatencyError
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.latency.runtimes.plain_words import TRY, reasons
from nas.latency.runtimes.session import Session, check_input, image
from nas.latency.types import LatencySettings
from nas.util.ultralytics_env import prepare


def _provider(settings: LatencySettings, available: list[str]) -> Any:
    if settings.device == "cpu":
        return "CPUExecutionProvider"
    if "CUDAExecutionProvider" not in available:
        raise LatencyError(
            f"this onnxruntime has no CUDA provider (it has {', '.join(available)}), so it cannot measure on "
            f"{settings.device}; pip uninstall onnxruntime && pip install onnxruntime-gpu"
        )
    # TF32 off: float32 means float32.
    return "CUDAExecutionProvider", {"device_id": settings.device.partition(":")[2], "use_tf32": "0"}


@contextmanager
def open_session(model: ModelBytes, imgsz: int, settings: LatencySettings) -> Iterator[Session]:
    """Load the ONNX model; inputs and outputs are bound once, on the device, so that no copy is timed.

    Raises:
        LatencyError: There is no ONNX model, it cannot be loaded, or the device is not there.
    """
    prepare()
    import onnxruntime as ort

    if model.kind != "onnx":
        raise LatencyError(f"runtime onnxruntime needs the model as ONNX, got {model.kind}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    if settings.device != "cpu":
        # ONNX Runtime would run a node that CUDA has not got on the CPU, copies and all, and not say so.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    # With several threads ORT's pool spins between operators, which is its own default and what a deployed
    # model does; with one thread there is no pool and everything runs on the calling thread.
    provider = _provider(settings, ort.get_available_providers())
    try:
        session = ort.InferenceSession(model.data, options, providers=[provider])
    except Exception as error:
        raise LatencyError(f"ONNX Runtime {ort.__version__} cannot load the model: {reasons(error)}; {TRY}") from error
    wanted = provider if isinstance(provider, str) else provider[0]
    if wanted not in session.get_providers():
        raise LatencyError(f"ONNX Runtime fell back from {wanted} to {', '.join(session.get_providers())}")
    first = session.get_inputs()[0]
    check_input(first.shape, first.type, imgsz)

    kind, _, index = settings.device.partition(":")
    place = (kind, int(index or 0))
    binding = session.io_binding()
    taken = ort.OrtValue.ortvalue_from_numpy(image(imgsz), *place)
    binding.bind_ortvalue_input(first.name, taken)
    for output in session.get_outputs():
        # An unknown rank looks like that of a scalar here, so neither is made ahead.
        if output.shape and all(isinstance(size, int) for size in output.shape) and output.type == "tensor(float)":
            value = ort.OrtValue.ortvalue_from_shape_and_type(output.shape, np.float32, *place)
            binding.bind_ortvalue_output(output.name, value)
        else:
            binding.bind_output(output.name, *place)

    def run() -> None:
        session.run_with_iobinding(binding)
        if kind == "cuda":
            binding.synchronize_outputs()

    yield Session(run, binding.copy_outputs_to_cpu, taken.update_inplace)
