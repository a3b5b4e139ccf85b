"""How a user's ONNX file is measured: as it is, or converted for another precision or runtime."""

from nas.errors import UsageError
from nas.latency.artifacts.onnx_graph import arithmetic, fixed, lists_weights, parsed
from nas.latency.types import LatencySettings

_CONVERTED = ("float16", "int8")
"""Precisions that a file is converted to; for the others the runtime converts."""

_SIZED = ("ncnn", "tensorrt")
"""Runtimes that need every size."""

_AS_WRITTEN = ("onnxruntime", "tensorrt")
"""Runtimes that compute in the types of the file; the others choose by themselves, as their settings say."""


def ready(name: str, onnx: bytes, imgsz: int, settings: LatencySettings) -> tuple[bytes, bool]:
    """The file that the runtime reads or a converter starts from, and whether it is in the precision already.

    Args:
        name: What messages call it.
        onnx: The whole model.
        imgsz: Square input size in pixels.
        settings: Runtime and precision.

    Raises:
        UsageError: It computes in another type, which cannot be turned into the precision.
    """
    found, wanted = arithmetic(parsed(onnx)), settings.precision
    if found == "int8" and wanted != "int8":
        raise UsageError(f"{name} computes in int8 already; measure it with precision int8, not {wanted}")
    if found not in ("float32", wanted) and (settings.runtime in _AS_WRITTEN or wanted == "int8"):
        raise UsageError(
            f"{name} computes in {found}, which runtime {settings.runtime} would not turn into {wanted}; measure it "
            f"with precision {found} where a runtime has it, or export it in float32"
        )
    done = found == wanted or wanted not in _CONVERTED
    if done and settings.runtime not in _SIZED:
        return onnx, True
    return fixed(onnx, (1, 3, imgsz, imgsz)), done


def note(name: str, onnx: bytes, settings: LatencySettings) -> str | None:
    """What slows a file down as it is, if anything does; one line."""
    if settings.runtime != "onnxruntime" or settings.precision != "float32" or not lists_weights(parsed(onnx)):
        return None
    return (
        f"note: {name} lists its weights as inputs too, so ONNX Runtime must not fold them, and it is measured so; "
        "exported without them there (torch: keep_initializers_as_inputs=False) it may be faster"
    )
