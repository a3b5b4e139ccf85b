"""ONNX files that users name: the whole model as one, with the weights that lie in files beside it.

The whole is what is measured, sent to a device and digested, so that other weights are another model.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import ModelError

if TYPE_CHECKING:
    from onnx import TensorProto

MOST_BYTES = 2**31 - 1
"""An ONNX model in one file cannot be larger: a limit of protobuf."""

_BITS = {"INT2": 2, "UINT2": 2, "INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4}
"""Types of which several lie in a byte."""


def foreign(head: bytes) -> str | None:
    """What a file is that is no model of any kind, and what to do; None where its first bytes do not tell.

    Args:
        head: Its first bytes.
    """
    if not head:
        return "is empty (0 bytes); copy or download it again"
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file itself; run git lfs pull in its repository"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page, not the file itself; download the file"
    return None


def _no_onnx(head: bytes) -> str:
    """The same of a file that is not ONNX."""
    if head.startswith(b"PK"):
        return "it is a zip archive, as .pt checkpoints are too; unpack it, or give it the suffix of what it is"
    if head.startswith(b"\x1f\x8b"):
        return "it is compressed (gzip); unpack it"
    if head[4:8] in (b"ORTM", b"TFL3"):
        own = "ONNX Runtime's own format (.ort)" if head[4:8] == b"ORTM" else "TensorFlow Lite's format"
        return f"it is in {own}; give the .onnx file of the model"
    return "its bytes are no ONNX model, or end early; copy, download or export it again"


def whole_onnx(name: str, path: Path) -> bytes:
    """The model of an ONNX file as one, its external data inside; a file without external data as it is.

    Args:
        name: What messages call it.
        path: The file; external data are sought beside it, and beside what it is a link to.

    Raises:
        ModelError: It is no ONNX file; or external data are missing, cut short, or outside of its folder.
        OSError: It cannot be read.
    """
    from onnx import ModelProto, TensorProto

    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ModelError(f"{name} has {size / 2**30:.1f} GiB, and an ONNX file has less than 2; is it one?")
    data = path.read_bytes()
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # protobuf's own class, which moves between its versions
        raise ModelError(f"{name} is not a readable ONNX file: {_no_onnx(data)}") from error
    if not model.HasField("graph") or not (model.graph.node or model.graph.input):
        raise ModelError(f"{name} is not a readable ONNX file: {_no_onnx(data)}")
    outside = [one for one in inner(model, TensorProto) if one.data_location == TensorProto.EXTERNAL]
    if not outside:
        return data
    total = len(data) + sum(_size(one) for one in outside)
    if total > MOST_BYTES:
        raise ModelError(
            f"{name} has {total / 2**30:.1f} GiB with its external data; a model that is measured is sent as one ONNX "
            "file, which has less than 2"
        )
    folders = [path.absolute().parent, path.resolve().parent]
    for tensor in outside:
        _take_in(tensor, name, folders)
    return bytes(model.SerializeToString(deterministic=True))


def inner(message: Any, kind: Any) -> Iterator[Any]:
    """Every message of a kind inside a protobuf message: in subgraphs, attributes and functions too."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for one in value if isinstance(value, Sequence) or hasattr(value, "append") else (value,):
            if isinstance(one, kind):
                yield one
            yield from inner(one, kind)


def _size(tensor: "TensorProto") -> int:
    """Bytes of a tensor, from its shape and type."""
    from onnx import TensorProto, helper

    kind = TensorProto.DataType.Name(tensor.data_type)
    if kind in ("UNDEFINED", "STRING") or min(tensor.dims, default=0) < 0:
        raise ModelError(
            f"tensor {tensor.name!r} of type {kind} and shape {tuple(tensor.dims)} cannot be external data; "
            "export the model again"
        )
    bits = _BITS.get(kind) or 8 * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return int(-(-math.prod(tensor.dims) * bits // 8))


def _take_in(tensor: "TensorProto", name: str, folders: Sequence[Path]) -> None:
    """Replace the reference to external data by the data."""
    from onnx import TensorProto

    said = {entry.key: entry.value for entry in tensor.external_data}
    file = _beside(said.get("location", ""), name, folders)
    size, start = _size(tensor), _number(said, "offset", 0, name, tensor)
    stated = _number(said, "length", size, name, tensor) or size
    if stated != size:
        raise ModelError(
            f"{name}: tensor {tensor.name!r} of shape {tuple(tensor.dims)} has {size} bytes, but {stated} are stated "
            f"for it in {file.name}; export the model again"
        )
    try:
        with file.open("rb") as stream:
            head = stream.read(64)
            stream.seek(start)
            data = stream.read(size)
    except OSError as error:
        raise ModelError(f"{name}: its weights in {file} cannot be read: {error.strerror or error}") from error
    if len(data) < size:
        reason = foreign(head) or "is cut short or another model's; copy or export both files again"
        raise ModelError(
            f"{name}: tensor {tensor.name!r} is in bytes {start} to {start + size} of {file}, which has "
            f"{file.stat().st_size} bytes; the file {reason}"
        )
    tensor.raw_data = data
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _number(said: Mapping[str, str], key: str, default: int, name: str, tensor: "TensorProto") -> int:
    text = said.get(key, str(default))
    if not (text.isascii() and text.isdigit()):
        raise ModelError(f"{name}: tensor {tensor.name!r} states the {key} {text!r} of its external data; export again")
    return int(text)


def _beside(location: str, name: str, folders: Sequence[Path]) -> Path:
    """The file of external data.

    Raises:
        ModelError: It is not there, or outside of the model's folder, which ONNX does not allow either.
    """
    clean = os.path.normpath(location) if location else ".."
    if os.path.isabs(clean) or clean.split(os.sep)[0] == ".." or "\0" in clean:
        raise ModelError(
            f"{name} keeps its weights in {location!r}, which is not in its folder, as ONNX demands; save it with both "
            "files in one folder (onnx.save_model with location='weights.bin')"
        )
    try:
        return next(folder / clean for folder in folders if (folder / clean).is_file())
    except (StopIteration, OSError):
        raise ModelError(
            f"{name} keeps its weights in a second file, {clean}, which is not in {folders[0]}; put it there: both "
            "files belong together"
        ) from None
