"""Pictures of val with what the best design and the best baseline find, miss and invent, as the page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass

from nas.study import Box, ComparedPicture, Comparison, Outcome

MOST_BOXES = 40
"""Boxes that are drawn of a design in a picture; what it misses and invents comes first."""


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A box; places and sides in percent of the picture.

    Attributes:
        verdict: `found`, `missed` or `invented`.
        kind: Its class.
        confidence: Of the detection; None of a missed object.
        left: From the left.
        top: From above.
        width: Of the box.
        height: Of the box.
    """

    verdict: str
    kind: str
    confidence: float | None
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Side:
    """A picture with the boxes of one design.

    Attributes:
        label: The design.
        role: `best` or `baseline`.
        boxes: What is drawn.
        found: Objects that it finds.
        missed: Objects that it misses.
        invented: Detections that are none.
        left_out: Boxes that are not drawn.
    """

    label: str
    role: str
    boxes: tuple[DrawnBox, ...]
    found: int
    missed: int
    invented: int
    left_out: int


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture, beside itself.

    Attributes:
        symbol: Id of the picture in the page.
        picture: The picture.
        sides: The best design's, then the baseline's.
    """

    symbol: str
    picture: ComparedPicture
    sides: tuple[Side, Side]

    @property
    def difference(self) -> int:
        """Objects that the best design finds and the baseline does not, in number."""
        return self.sides[0].found - self.sides[1].found


@dataclass(frozen=True, slots=True)
class Shots:
    """Some pictures by the rule by which they were chosen.

    Attributes:
        title: The rule.
        shots: The pictures.
    """

    title: str
    shots: tuple[Shot, ...]


def shots_of(outcome: Outcome) -> tuple[Shots, ...]:
    """The pictures of a search's comparison; none without a baseline, or where they are gone.

    Args:
        outcome: The search.
    """
    comparison = outcome.comparison
    if comparison is None or comparison.rival is None:
        return ()
    every = [_shot(place, one, comparison, outcome.class_names) for place, one in enumerate(comparison.pictures)]
    groups = (("Largest difference", "largest"), ("Median difference", "median"))
    found = [Shots(title, tuple(one for one in every if one.picture.group == group)) for title, group in groups]
    return tuple(one for one in found if one.shots)


def _shot(place: int, picture: ComparedPicture, comparison: Comparison, names: Sequence[str]) -> Shot:
    sides = (
        _side(comparison.label, "best", picture.best, names),
        _side(str(comparison.rival), "baseline", picture.rival, names),
    )
    return Shot(f"picture-{place}", picture, sides)


def _side(label: str, role: str, boxes: Sequence[Box], names: Sequence[str]) -> Side:
    order = ("missed", "invented", "found")
    ranked = sorted(boxes, key=lambda one: (order.index(one.verdict), -(one.confidence or 0.0)))
    drawn = tuple(_drawn(one, names) for one in reversed(ranked[:MOST_BOXES]))
    found, missed, invented = (
        sum(one.verdict == verdict for one in boxes) for verdict in ("found", "missed", "invented")
    )
    return Side(label, role, drawn, found, missed, invented, max(0, len(boxes) - MOST_BOXES))


def _drawn(one: Box, names: Sequence[str]) -> DrawnBox:
    sides = (one.left, one.top, one.right - one.left, one.bottom - one.top)
    return DrawnBox(one.verdict, names[one.kind], one.confidence, *(round(100 * side, 2) for side in sides))
