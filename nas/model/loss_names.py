"""What a training penalises: a choice by name. Standard library only."""

from dataclasses import dataclass

from nas.errors import UsageError

CLASS_LOSSES = ("bce", "focal")
BOX_LOSSES = ("ciou", "giou")


@dataclass(frozen=True, slots=True)
class Losses:
    """The losses of a training; the defaults are Ultralytics' own.

    Attributes:
        classes: `bce` (binary cross-entropy) or `focal` (Lin et al. 2017, arXiv 1708.02002: gamma 2, alpha 0.25).
        boxes: `ciou` (complete IoU) or `giou` (Rezatofighi et al. 2019, arXiv 1902.09630).
    """

    classes: str = "bce"
    boxes: str = "ciou"

    def __post_init__(self) -> None:
        """Check both names."""
        for name, value, known in (
            ("class loss", self.classes, CLASS_LOSSES),
            ("box loss", self.boxes, BOX_LOSSES),
        ):
            if value not in known:
                raise UsageError(f"the {name} must be {' or '.join(known)}, got {value!r}")
