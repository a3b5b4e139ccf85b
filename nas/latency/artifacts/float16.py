"""Float16 in an ONNX graph, for the runtimes that compute in what the file says.

Input, outputs and tail stay float32.
"""

from nas.errors import ModelError
from nas.latency.artifacts.detect_tail import named, tail
from nas.latency.runtimes.plain_words import reasons


def halved(onnx: bytes) -> bytes:
    """Convert an ONNX model to float16, apart from its input, its outputs and its tail (`tail.py`).

    Raises:
        ModelError: It cannot be converted.
    """
    import onnx as library
    from onnxruntime.transformers.float16 import convert_float_to_float16

    try:
        model = library.load_model_from_string(onnx)
        named(model)
        made = convert_float_to_float16(model, keep_io_types=True, node_block_list=tail(model))
        return bytes(made.SerializeToString(deterministic=True))
    except ModelError:
        raise
    except Exception as error:  # whatever the converter meets in a graph
        raise ModelError(
            f"the model cannot be converted to float16: {type(error).__name__}: {reasons(error)}"
        ) from error
