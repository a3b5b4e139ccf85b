"""ncnn's two files, the graph (.param) and the weights (.bin), and the input size as one; deterministic.

The size is there because ncnn does not know it: a model that was made for another size runs all the same, past the end
of its buffers.
"""

import io
import zipfile
from dataclasses import dataclass

from nas.errors import LatencyError

INPUT, OUTPUT = "in0", "out0"
"""The names that ncnn's converter gives to the input and the output."""

_PARAM, _BIN, _SIZE = "model.ncnn.param", "model.ncnn.bin", "imgsz"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class NcnnModel:
    """The graph, the weights, and the side of the square input in pixels."""

    param: bytes
    weights: bytes
    imgsz: int


def pack(model: NcnnModel) -> bytes:
    """Everything in one zip."""
    file = io.BytesIO()
    # Stored, not compressed: another version of zlib would make other bytes of the same weights.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in ((_PARAM, model.param), (_BIN, model.weights), (_SIZE, str(model.imgsz).encode())):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return file.getvalue()


def unpack(data: bytes) -> NcnnModel:
    """The inverse of `pack`.

    Raises:
        LatencyError: The bytes are no such zip.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return NcnnModel(archive.read(_PARAM), archive.read(_BIN), int(archive.read(_SIZE)))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise LatencyError(f"the model is no zip of {_PARAM}, {_BIN} and {_SIZE}: {error}") from error
