"""ncnn's two files, the graph (.param) and the weights (.bin), as one; the same files give the same bytes."""

import io
import zipfile

from nas.errors import LatencyError

INPUT, OUTPUT = "in0", "out0"
"""The names that ncnn's converter gives to the input and the output."""

_PARAM, _BIN = "model.ncnn.param", "model.ncnn.bin"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(param: bytes, weights: bytes) -> bytes:
    """Both files in one zip."""
    file = io.BytesIO()
    # Stored, not compressed: another version of zlib would make other bytes of the same weights.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_PARAM, _EPOCH), param)
        archive.writestr(zipfile.ZipInfo(_BIN, _EPOCH), weights)
    return file.getvalue()


def unpack(data: bytes) -> tuple[bytes, bytes]:
    """The graph and the weights.

    Raises:
        LatencyError: The bytes are no such zip.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.read(_PARAM), archive.read(_BIN)
    except (zipfile.BadZipFile, KeyError) as error:
        raise LatencyError(f"the model is no zip of {_PARAM} and {_BIN}: {error}") from error
