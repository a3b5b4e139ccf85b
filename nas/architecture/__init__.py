"""The frozen design, its canonical key, and its Ultralytics YAML."""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.architecture.architecture import (
        BLOCK_CHOICES,
        CHOICES_OF,
        LEVELS,
        Activation,
        Architecture,
        Block,
        C3k,
        Downsample,
        Head,
        Levels,
        Neck,
        Stage,
        downsampler,
        same_block,
    )
    from nas.architecture.head_rows import multiple_of_8
    from nas.architecture.key import from_key
    from nas.architecture.ultralytics_yaml import to_yaml

__getattr__ = lazy(
    __name__,
    {
        "architecture": (
            "BLOCK_CHOICES",
            "CHOICES_OF",
            "LEVELS",
            "Activation",
            "Architecture",
            "Block",
            "C3k",
            "Downsample",
            "Head",
            "Levels",
            "Neck",
            "Stage",
            "downsampler",
            "same_block",
        ),
        "head_rows": ("multiple_of_8",),
        "key": ("from_key",),
        "ultralytics_yaml": ("to_yaml",),
    },
)
