"""What is known of a key of the file format, whatever choices a file gives it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trait:
    """A key of the file format.

    Attributes:
        ordered: Whether neighbouring choices are alike (numbers), rather than just different (blocks).
        by_work: Its choices from least to most work; empty for numbers, of which more is more work.
        more_is_less: Whether a larger number is less work.
        later: Whether the format learned it later, so that a file that leaves it out keeps its digest.
    """

    ordered: bool = True
    by_work: tuple[str, ...] = ()
    more_is_less: bool = False
    later: bool = False


_TRAITS = {
    "block": Trait(ordered=False),
    "downsample": Trait(ordered=False),
    "activation": Trait(ordered=False, by_work=("relu", "hardswish", "silu")),
    "c3k": Trait(ordered=False, by_work=("deep", "all")),
    "neck": Trait(ordered=False, by_work=("pan", "slim", "afpn"), later=True),
    "head": Trait(ordered=False, by_work=("yolo11", "mbconv"), later=True),
    "levels": Trait(ordered=False, by_work=("P3-P4", "P3-P5", "P2-P4"), later=True),
    "dfc_pool": Trait(more_is_less=True),
    "ratio": Trait(more_is_less=True, later=True),
    "kernel": Trait(later=True),
    "end2end": Trait(later=True),
    "sppf": Trait(later=True),
    "c2psa": Trait(later=True),
}


def trait(name: str) -> Trait:
    """What is known of a dimension, such as `neck_width` or `P3.dfc_kernel`; numbers unless it says otherwise."""
    return _TRAITS.get(name.rpartition(".")[2], Trait())
