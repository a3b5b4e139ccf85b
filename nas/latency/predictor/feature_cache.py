"""The features of a design, kept in the cache folder: building and exporting a graph takes a second, reading them none.

A kept file is named after the design, the number of classes, what counts the work and the versions that export it.
"""

import hashlib
import json
import os
from importlib.metadata import version

from nas.architecture import Architecture
from nas.errors import StorageError
from nas.latency.predictor.features import NAMES, Features, graph_features
from nas.util.paths import cache_dir, cache_subdir
from nas.util.provenance import GRAPH

_ROOM = "features"
# One more whenever a term of `features.py` counts something else under the same name.
_COUNTING = 1
_EXPORTERS = ("ultralytics", "torch", "onnx", "onnxruntime")


def features_of(architecture: Architecture, classes: int) -> Features:
    """The work of a design's graph: the kept features, or those of a graph that is built and exported now.

    Args:
        architecture: The design.
        classes: Number of classes.

    Raises:
        ModelError: It cannot be built or exported.
        StorageError: The cache folder cannot be written.
    """
    try:
        kept = cache_dir() / _ROOM / entry_name(architecture, classes)
        return Features.from_dict(json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError, AttributeError, TypeError):
        pass  # Not there, or not readable any more: counted again.
    from nas.architecture import to_yaml
    from nas.model import build, to_onnx

    onnx = to_onnx(build(to_yaml(architecture, classes), seed=0), architecture.imgsz)
    return remember_features(architecture, classes, onnx)


def remember_features(architecture: Architecture, classes: int, onnx: bytes) -> Features:
    """Count the work of a design's graph that is there already, and keep it for `features_of`.

    Raises:
        ModelError: The graph cannot be read.
        StorageError: The cache folder cannot be written.
    """
    found = graph_features(onnx)
    keep(entry_name(architecture, classes), found)
    return found


def entry_name(architecture: Architecture, classes: int) -> str:
    made_by = [version(package) for package in _EXPORTERS]
    text = json.dumps([architecture.key, classes, NAMES, _COUNTING, GRAPH, made_by])
    return f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"


def keep(name: str, found: Features) -> None:
    path = cache_subdir(_ROOM, needed_bytes=2**20) / name
    draft = path.with_suffix(f".{os.getpid()}.part")
    try:
        draft.write_text(json.dumps(found.to_dict()), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
