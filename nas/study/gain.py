"""How much more accurate the best design is than the best baseline, on pictures that chose neither."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

_Z = 1.96
"""Of a normal 95% interval."""


@dataclass(frozen=True, slots=True)
class Gain:
    """The difference of two trained designs on val.

    Attributes:
        label: The best design.
        rival: The best baseline that meets the target.
        files: SHA-256 of both measured files.
        difference: MAP50-95 of the best design's file less the baseline's, in [-1, 1].
        pictures_sd: Standard deviation that comes from which pictures val has.
        seeds_sd: Standard deviation that comes from each design's one training.
        groups: Groups of pictures, at least two, between which `pictures_sd` was found.
    """

    label: str
    rival: str
    files: tuple[str, str]
    difference: float
    pictures_sd: float
    seeds_sd: float
    groups: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the difference, for other pictures and other seeds of training."""
        from scipy.special import stdtrit

        of_pictures = float(stdtrit(self.groups - 1, 0.975)) * self.pictures_sd
        half = math.hypot(of_pictures, _Z * self.seeds_sd)
        return self.difference - half, self.difference + half

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**{**data, "files": tuple(data["files"])})
