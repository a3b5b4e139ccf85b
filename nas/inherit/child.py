"""A design that begins with the channels of a trained detector, and the account of what it took."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nas.errors import ModelError
from nas.inherit.channel_spaces import Table
from nas.inherit.choose_channels import Selections, best_repeats
from nas.inherit.importance import Scores
from nas.inherit.roles import describe
from nas.inherit.transfer import Transfer, transfer


@dataclass(frozen=True, slots=True)
class SectionAccount:
    """What one part of a design took.

    Attributes:
        name: `stem`, `P3`, `neck P4`, `head P3 boxes`, ...
        params: Its parameters.
        taken: Those that come from the source.
        importance: Of the source's channels in the spaces that the part's layers write.
        kept: How much of it was kept.
        reasons: Why layers and blocks did not inherit, or not all, each once.
    """

    name: str
    params: int
    taken: int
    importance: float
    kept: float
    reasons: tuple[str, ...]


def describe_file(model: Any, name: str) -> Table:
    """The table of a model that a user named.

    Args:
        model: A detection model.
        name: What the user calls it, for the message.

    Raises:
        ModelError: Its layout is not one that can give or take channels.
    """
    try:
        return describe(model)
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from error


def inherit(source: Table, design: Any, scores: Scores, classes: Sequence[int | None]) -> Transfer:
    """Let a design begin with a source's channels.

    Args:
        source: The source's table.
        design: A detection model, freshly built; changed in place.
        scores: Of the source's layers and blocks (`nas.inherit.importance`).
        classes: For each class of the design the source's, None for one that it does not have.

    Raises:
        ModelError: The design's rows are connected in another way than YOLO11's, or nothing of the source fits.
    """
    one_to_one = any(".one_to_one" in layer.role for layer in source.layers)
    table = describe(design, one_to_one=one_to_one)
    kept = best_repeats(source, table, scores)
    if kept:
        table = describe(design, kept, one_to_one=one_to_one)
    done = transfer(source, table, Selections(source, scores), classes)
    if not any(entry.taken for entry in done.entries):
        raise ModelError("nothing of the source fits this design: no part of it has a counterpart there")
    return done


def accounts(done: Transfer) -> tuple[SectionAccount, ...]:
    """What every part of a design took, in the order of the computation.

    Args:
        done: Of `inherit`.
    """
    sections = dict.fromkeys(entry.one.section for entry in done.entries)
    return tuple(_account(name, done) for name in sorted(sections, key=_place))


def _account(name: str, done: Transfer) -> SectionAccount:
    entries = [entry for entry in done.entries if entry.one.section == name]
    kept, total = done.kept.get(name, (0.0, 0.0))
    return SectionAccount(
        name=name,
        params=sum(entry.params for entry in entries),
        taken=sum(entry.taken for entry in entries),
        importance=total,
        kept=kept,
        reasons=tuple(dict.fromkeys(entry.reason for entry in entries if entry.reason)),
    )


def _place(section: str) -> tuple[int, str]:
    """Sorts sections as the computation goes."""
    first = section.split()[0]
    order = ("stem", "P", "sppf", "c2psa", "neck", "head")
    return next(place for place, begin in enumerate(order) if first.startswith(begin)), section
