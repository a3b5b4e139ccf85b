"""Detection data: the embedded synthetic set, and any Ultralytics data YAML."""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.data.data_yaml import find_yaml
    from nas.data.dataset import DetectionData, Labels, Split
    from nas.data.findings import Findings
    from nas.data.image_cache import GREY, Pixels, batches, check_memory, letterbox, pixels
    from nas.data.loader import load
    from nas.data.packed import PackedData, pack, unpack
    from nas.data.picture import read_picture
    from nas.data.picture_files import split_that_holds
    from nas.data.preview import write_preview
    from nas.data.sample import QUANTISED_WITH, ROUGHLY_QUANTISED_WITH, sample_pictures
    from nas.data.training_view import SOURCES_FILE, write_view

__getattr__ = lazy(
    __name__,
    {
        "data_yaml": ("find_yaml",),
        "dataset": (
            "DetectionData",
            "Labels",
            "Split",
        ),
        "findings": ("Findings",),
        "image_cache": (
            "GREY",
            "Pixels",
            "batches",
            "check_memory",
            "letterbox",
            "pixels",
        ),
        "loader": ("load",),
        "packed": (
            "PackedData",
            "pack",
            "unpack",
        ),
        "picture": ("read_picture",),
        "picture_files": ("split_that_holds",),
        "preview": ("write_preview",),
        "sample": (
            "QUANTISED_WITH",
            "ROUGHLY_QUANTISED_WITH",
            "sample_pictures",
        ),
        "training_view": (
            "SOURCES_FILE",
            "write_view",
        ),
    },
)
