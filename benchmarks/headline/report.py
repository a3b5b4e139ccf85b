"""The tables: every arm beside hand scaling, and the verdict of each pair."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.headline.arms import ARMS, HAND, PAIRS, Arm
from benchmarks.headline.bootstrap import DRAWS, Difference, Searches, Spread, difference, spreads
from benchmarks.headline.finals import matches_file
from benchmarks.headline.matches import Matches
from benchmarks.inherit.report import table

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Tables:
    """What is read of a comparison.

    Attributes:
        designs: Rows of `designs.csv`.
        finals: Rows of `finals.csv`.
        searches: Rows of `searches.csv`.
        limited: Rows of `limited.csv`.
    """

    designs: Sequence[Row]
    finals: Sequence[Row]
    searches: Sequence[Row]
    limited: Sequence[Row]


def trainings(finals: Sequence[Row], kept: Path, part: str) -> dict[str, Searches]:
    """What the final trainings of each arm find, by its searches.

    Args:
        finals: Their rows.
        kept: Folder of the tables.
        part: `val` or `test`.
    """
    found: dict[str, dict[str, list[Matches]]] = {}
    for row in finals:
        names = (row["arm"], row["search"], row["seed"])
        found.setdefault(row["arm"], {}).setdefault(row["search"], []).append(
            Matches.read(matches_file(kept, part, *names))
        )
    return {arm: list(searches.values()) for arm, searches in found.items()}


def report(tables: Tables, found: Mapping[str, Spread], part: str) -> str:
    """The tables as Markdown.

    Args:
        tables: What was measured.
        found: The arms' means with their draws.
        part: `val` or `test`.
    """
    first = tables.finals[0]
    target = float(tables.designs[0]["target_ms"])
    steps = " and ".join(sorted({row["steps"] for row in tables.finals}))
    lines = [
        f"## {first['data']}, {part}",
        "",
        f"Target {target:g} ms. mAP50-95 of {len(tables.finals)} final trainings of {steps} steps. A difference is in "
        f"points, with its 95% interval over searches, seeds of training and pictures ({DRAWS} draws).",
        "",
        *table(
            (
                *("", "arm", "design", "of the target", "s to find", "finals"),
                *(part, f"less ({HAND.number})", f"than ({HAND.number})"),
            ),
            _arm_rows(tables, found, target),
        ),
        "",
        *table(("pair", "first", "second", "difference", "the first is"), _pair_rows(found)),
        "",
    ]
    slow = [row for row in tables.designs if row["meets_target"] != "true"]
    if slow:
        names = ", ".join(f"{row['arm']}-{row['search']} ({row['latency_high_ms']} ms)" for row in slow)
        lines += [f"Not at no more latency than the target, by the upper end of their intervals: {names}.", ""]
    return "\n".join(lines)


def _arm_rows(tables: Tables, found: Mapping[str, Spread], target: float) -> Iterator[Sequence[str]]:
    for arm in ARMS:
        if arm.name in found:
            designs = [row for row in tables.designs if row["arm"] == arm.name]
            finals = [row for row in tables.finals if row["arm"] == arm.name]
            against = None if arm == HAND else _against(found, arm, HAND)
            yield (
                f"({arm.number})",
                arm.title,
                "<br>".join(f"`{row['key']}`" for row in designs),
                _range([float(row["latency_ms"]) / target for row in designs], "{:.2f}"),
                _seconds(tables, arm),
                str(len(finals)),
                f"{found[arm.name].mean:.3f}",
                "" if against is None else _points(against),
                "" if against is None else against.verdict,
            )


def _pair_rows(found: Mapping[str, Spread]) -> Iterator[Sequence[str]]:
    for first, second in PAIRS:
        if (between := _against(found, first, second)) is not None:
            names = f"({first.number}) - ({second.number})"
            yield names, first.title, second.title, _points(between), between.verdict


def _against(found: Mapping[str, Spread], first: Arm, second: Arm) -> Difference | None:
    if first.name not in found or second.name not in found:
        return None
    return difference(found[first.name], found[second.name])


def _points(one: Difference) -> str:
    return f"{100 * one.value:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})"


def _seconds(tables: Tables, arm: Arm) -> str:
    """Wall seconds; of several searches the median."""
    took = [float(row["seconds"]) for row in (*tables.searches, *tables.limited) if row["arm"] == arm.name]
    return f"{statistics.median(took):.0f}" if took else "-"


def _range(values: Sequence[float], form: str) -> str:
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def compared(tables: Tables, kept: Path, part: str) -> tuple[str, dict[str, Spread]]:
    """The tables of a part, and the arms' means with their draws.

    Args:
        tables: What was measured.
        kept: Folder of the tables.
        part: `val` or `test`.
    """
    found = spreads(trainings(tables.finals, kept, part))
    return report(tables, found, part), found
