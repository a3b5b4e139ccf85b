"""Models in ncnn's own form: converted from ONNX by pnnx, and the reference networks written out directly."""

import importlib.util
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nas.errors import ModelError, RuntimeMissing
from nas.latency.artifacts.ncnn_pack import INPUT, OUTPUT, NcnnModel, pack
from nas.latency.protocol.reference_nets import Reference, weighted_layers
from nas.latency.runtimes.plain_words import TRY, reasons

_CONVERT_S = 300.0
_MAGIC = 7767517  # of the text format
_FLOAT32 = 0  # the tag before weights that are stored as they are


def to_ncnn(onnx: bytes, imgsz: int, *, half: bool) -> bytes:
    """Convert an ONNX model.

    Args:
        onnx: The model, static shapes.
        imgsz: Square input size in pixels.
        half: Store the weights in float16.

    Raises:
        RuntimeMissing: pnnx is not installed.
        ModelError: pnnx cannot convert the model.
    """
    with tempfile.TemporaryDirectory(prefix="ghostnas-") as folder:
        place = Path(folder)
        (place / "model.onnx").write_bytes(onnx)
        words = [_converter(), "model.onnx", f"inputshape=[1,3,{imgsz},{imgsz}]", f"fp16={int(half)}"]
        said = _run(words, place)
        try:
            param, weights = ((place / f"model.ncnn.{part}").read_bytes() for part in ("param", "bin"))
        except OSError:
            raise ModelError(f"pnnx made no ncnn model; its last words: {said}; {TRY}") from None
    return pack(NcnnModel(param, weights, imgsz))


def _converter() -> str:
    spec = importlib.util.find_spec("pnnx")
    if spec is None or spec.origin is None:
        raise RuntimeMissing("ncnn models are converted by pnnx, which is not installed; pip install ncnn pnnx")
    return str(Path(spec.origin).parent / "pnnx")


def _run(words: Sequence[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_CONVERT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"pnnx could not convert the model: {error}") from error
    said = reasons("\n".join(done.stdout.decode(errors="replace").strip().splitlines()[-3:]))
    if done.returncode:
        raise ModelError(f"pnnx cannot convert the model (code {done.returncode}); its last words: {said}; {TRY}")
    return said


def reference_ncnn(reference: Reference) -> bytes:
    """A reference network; from its own numbers, without the converter, so that its bytes are the same everywhere."""
    lines, weights = [f"Input {INPUT} 0 1 {INPUT}"], bytearray()
    last = INPUT
    everything = list(weighted_layers(reference.width))
    for index, (layer, weight, bias) in enumerate(everything):
        name = OUTPUT if index == len(everything) - 1 else f"out{index + 1}"
        kind, groups = ("Convolution", "") if layer.groups == 1 else ("ConvolutionDepthWise", f" 7={layer.groups}")
        lines += [
            # Output channels, kernel, stride, padding, bias, number of weights.
            f"{kind} conv{index} 1 1 {last} conv{index} 0={layer.outputs} 1={layer.kernel} 3={layer.stride} "
            f"4={layer.kernel // 2} 5=1 6={weight.size}{groups}",
            f"Swish silu{index} 1 1 conv{index} {name}",
        ]
        weights += np.uint32(_FLOAT32).tobytes() + weight.tobytes() + bias.tobytes()
        last = name
    # Each line but the first makes one blob.
    text = "\n".join([str(_MAGIC), f"{len(lines)} {len(lines)}", *lines]) + "\n"
    return pack(NcnnModel(text.encode(), bytes(weights), reference.imgsz))
