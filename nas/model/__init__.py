"""YAML to torch module, its counts, its losses, its checkpoints and its ONNX graph."""

from typing import TYPE_CHECKING

from nas.util import ultralytics_env
from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.model.builder import build, fused, is_nms_free, load_model, register
    from nas.model.bundled_blocks import know_bundled_blocks, named_as_in_a_bundle
    from nas.model.checkpoint_file import save_checkpoint
    from nas.model.checkpoint_loading import load_file, refusal, refused_class
    from nas.model.checkpoints import Checkpoint, load_trained, resumable
    from nas.model.complexity import complexity_of, count
    from nas.model.known_checkpoints import checkpoint_at_hand, find_checkpoint, hint
    from nas.model.loss_names import Losses
    from nas.model.losses import as_float32, criterion
    from nas.model.onnx import deployable, to_onnx
    from nas.model.standalone import standalone_module, used_blocks

ultralytics_env.prepare()  # before the first import of Ultralytics

__getattr__ = lazy(
    __name__,
    {
        "builder": (
            "build",
            "fused",
            "is_nms_free",
            "load_model",
            "register",
        ),
        "bundled_blocks": (
            "know_bundled_blocks",
            "named_as_in_a_bundle",
        ),
        "checkpoint_file": ("save_checkpoint",),
        "checkpoint_loading": (
            "load_file",
            "refusal",
            "refused_class",
        ),
        "checkpoints": (
            "Checkpoint",
            "load_trained",
            "resumable",
        ),
        "complexity": (
            "complexity_of",
            "count",
        ),
        "known_checkpoints": (
            "checkpoint_at_hand",
            "find_checkpoint",
            "hint",
        ),
        "loss_names": ("Losses",),
        "losses": (
            "as_float32",
            "criterion",
        ),
        "onnx": (
            "deployable",
            "to_onnx",
        ),
        "standalone": (
            "standalone_module",
            "used_blocks",
        ),
    },
)
