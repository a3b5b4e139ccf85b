"""The deployment formats of Ultralytics' exporter: what each needs, and how near to torch its file must come.

The check compares raw outputs, boxes in pixels and scores in 0..1, as |exported - torch| / max(1, |torch|):
relative for boxes, absolute for scores and the first pixel. Reordered float32 arithmetic gives 1e-6 to 1e-4
there; a wrong constant, a lost layer or a swapped channel gives 1e-2 to 1. So float32 formats must stay under
1e-3 (a third of a pixel at 320, a thousandth of a score), which no metric notices. Formats whose runtimes may
compute in float16 or TF32 inside get 2e-2.
"""

from dataclasses import dataclass
from importlib.util import find_spec

from nas.errors import UsageError
from nas.latency import FLOAT32_TOLERANCE
from nas.util.suggest import did_you_mean

REDUCED_TOLERANCE = 2e-2


@dataclass(frozen=True, slots=True)
class Format:
    """A format that can be exported and run on this machine for the check.

    Attributes:
        name: Ultralytics' name.
        modules: Python modules that must be importable.
        install: The command that installs them.
        tolerance: Largest difference allowed.
        simplifies: Whether the exporter passes the graph through onnxslim.
    """

    name: str
    modules: tuple[str, ...]
    install: str
    tolerance: float
    simplifies: bool = False


FORMATS = {
    known.name: known
    for known in (
        Format("torchscript", ("torch",), "pip install torch", FLOAT32_TOLERANCE),
        Format("onnx", ("onnx", "onnxruntime"), "pip install onnx onnxruntime", FLOAT32_TOLERANCE, True),
        Format("openvino", ("openvino",), "pip install openvino", FLOAT32_TOLERANCE),
        Format("engine", ("onnx", "tensorrt"), "pip install tensorrt cuda-bindings", REDUCED_TOLERANCE, True),
        Format("ncnn", ("ncnn", "pnnx"), "pip install ncnn pnnx", REDUCED_TOLERANCE),
        Format("mnn", ("onnx", "MNN"), "pip install MNN", REDUCED_TOLERANCE, True),
        Format(
            "litert",
            ("litert_torch", "ai_edge_litert"),
            "pip install litert-torch ai-edge-litert",
            REDUCED_TOLERANCE,
        ),
        Format("paddle", ("paddle", "x2paddle"), "pip install paddlepaddle x2paddle", REDUCED_TOLERANCE),
        Format("executorch", ("executorch",), "pip install executorch", REDUCED_TOLERANCE),
    )
}


_ALIASES = {"tensorrt": "engine", "trt": "engine", "tflite": "litert", "onnxruntime": "onnx"}


def find_format(name: str) -> Format:
    """The format of a name, with everything that it needs installed.

    Raises:
        UsageError: The name is unknown (suggests the nearest), the format cannot be checked here, or a
            package is missing (says the pip command).
    """
    wanted = _ALIASES.get(name.lower(), name.lower())
    if wanted in FORMATS:
        found = FORMATS[wanted]
        missing = [module for module in found.modules if find_spec(module) is None]
        if missing:
            raise UsageError(f"--format {name} needs {', '.join(missing)}, which is not installed; {found.install}")
        return found
    from nas.util import ultralytics_env

    ultralytics_env.prepare()
    from ultralytics.engine.exporter import export_formats

    stock = [argument for argument in export_formats()["Argument"] if argument != "-"]
    if wanted in stock:
        raise UsageError(
            f"--format {name}: its file cannot be run here to be checked against torch; "
            f"to export it unchecked: ghostnas yolo export model=best.pt format={wanted}"
        )
    hint = did_you_mean(wanted, [*FORMATS, *_ALIASES, *stock])
    raise UsageError(f"unknown --format {name!r}{hint} (formats: {', '.join(FORMATS)})")
