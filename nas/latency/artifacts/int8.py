"""INT8 by static quantisation: the ONNX graph with scales taken from pictures, in the form that every runtime reads.

Each quantised value is written as a pair of QuantizeLinear and DequantizeLinear around float operators (QDQ), which
ONNX Runtime, OpenVINO and TensorRT fuse into INT8 kernels. Weights have a scale a channel; the tail stays float32
(`tail.py`).
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import ModelError
from nas.latency.artifacts.detect_tail import named, tail
from nas.latency.runtimes.plain_words import reasons

_CONVOLUTIONS = ("Conv", "ConvTranspose")
_BETWEEN = ("Add", "Mul", "Sigmoid", "Relu", "Concat", "MaxPool", "AveragePool", "Resize")


def quantised(onnx: bytes, pictures: NDArray[np.float32], *, symmetric: bool) -> bytes:
    """Quantise an ONNX model; the same model and pictures give the same bytes.

    Args:
        onnx: The float32 model, one input.
        pictures: (N, 3, imgsz, imgsz), in [0, 1]; each activation's range is the one that it has on these.
        symmetric: Signed activations without zero points, and only what convolutions read is quantised, which is what
            TensorRT wants. Else unsigned activations with zero points, and what lies between convolutions in INT8 too:
            the CPU runtimes would otherwise spend on conversions what they save.

    Raises:
        ModelError: It cannot be quantised.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(prefix="ghostnas-") as folder, _silent():
        plain, prepared, done = (Path(folder) / f"{name}.onnx" for name in ("plain", "prepared", "done"))
        plain.write_bytes(onnx)
        try:
            quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
            model = _read(prepared)
            named(model)
            quantize_static(
                model,
                str(done),
                _Reader(model.graph.input[0].name, pictures),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=[*_CONVOLUTIONS] if symmetric else [*_CONVOLUTIONS, *_BETWEEN],
                nodes_to_exclude=tail(model),
                per_channel=True,
                activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                extra_options={
                    "ActivationSymmetric": symmetric,
                    "WeightSymmetric": True,
                    # Between a convolution and its activation function, a pair would keep TensorRT from fusing them.
                    "OpTypesToExcludeOutputQuantization": [*_CONVOLUTIONS] if symmetric else [],
                },
            )
            _check(_read(done), model)
        except ModelError:
            raise
        except Exception as error:  # whatever the quantiser meets in a graph
            raise ModelError(f"the model cannot be quantised: {type(error).__name__}: {reasons(error)}") from error
        return done.read_bytes()


class _Reader:
    """The pictures one by one, as ONNX Runtime's calibration asks for them."""

    def __init__(self, name: str, pictures: NDArray[np.float32]) -> None:
        self._name = name
        self._left = iter(pictures)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        picture = next(self._left, None)
        return None if picture is None else {self._name: np.ascontiguousarray(picture[None], dtype=np.float32)}


def _read(path: Path) -> Any:
    import onnx

    return onnx.load(str(path))


def _check(made: Any, model: Any) -> None:
    """Prove that every convolution before the tail reads a quantised input."""
    makers = {output: node.op_type for node in made.graph.node for output in node.output}
    spared = set(tail(model))
    left = [
        node.name
        for node in made.graph.node
        if node.op_type in _CONVOLUTIONS and node.name not in spared and makers.get(node.input[0]) != "DequantizeLinear"
    ]
    if left:
        raise ModelError(f"{len(left)} convolutions were not quantised, such as {left[0]}")


@contextmanager
def _silent() -> Iterator[None]:
    # The quantiser logs advice to the root logger, which would set up handlers for the whole program.
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
