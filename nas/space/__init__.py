"""Search spaces: file, choices, rules, and the designs that every space is compared with."""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.space.bounds import largest, smallest
    from nas.space.codec import STAGE_FIELDS
    from nas.space.literals import Literal, points, shipped_literals
    from nas.space.reference_designs import UNIFORM_WIDTHS, Scale, ghost_corner, scaled_yolo11, yolo11
    from nas.space.schema import as_yaml, attention_fits
    from nas.space.space import SearchSpace, load_space, shipped_spaces, spaces_folder

__getattr__ = lazy(
    __name__,
    {
        "bounds": (
            "largest",
            "smallest",
        ),
        "codec": ("STAGE_FIELDS",),
        "literals": (
            "Literal",
            "points",
            "shipped_literals",
        ),
        "reference_designs": (
            "UNIFORM_WIDTHS",
            "Scale",
            "ghost_corner",
            "scaled_yolo11",
            "yolo11",
        ),
        "schema": (
            "as_yaml",
            "attention_fits",
        ),
        "space": (
            "SearchSpace",
            "load_space",
            "shipped_spaces",
            "spaces_folder",
        ),
    },
)
