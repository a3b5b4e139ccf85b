"""The whole page: every value that the templates name, and the two files that are put into it as they are."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup, escape

from nas.results.finalists_table import BEST_MARK
from nas.results.gain_sentences import gain_sentence, next_commands
from nas.results.html.answer import answer_of
from nas.results.html.design_list import design_list
from nas.results.html.drawing import drawings
from nas.results.html.front_chart import front_chart
from nas.results.html.rung_chart import rung_chart
from nas.results.html.shots import shots_of
from nas.results.markdown import asked, legend, notes, origin, reach, state, table
from nas.results.proxy_quality import quality_sentences
from nas.results.rung_sentences import ranking_sentences
from nas.study import Estimates, GroupAccuracy, Outcome, trained
from nas.util.printable import printable

MOST_BYTES = 900_000
"""What the page holds at most."""


class _Room(NamedTuple):
    """How much of a long search is shown.

    Attributes:
        designs: Designs that are listed.
        yamls: Those of them with their YAML.
        rows: Finalists, notes on them, and curves of promoted designs, each.
    """

    designs: int
    yamls: int
    rows: int


_ROOMS = (_Room(400, 80, 200), _Room(250, 60, 120), _Room(120, 40, 60), _Room(60, 20, 30))
"""The most first."""

_MARKS = (("`", "code"), ("**", "strong"))
"""What sentences of `report.md` have of Markdown, and the element of each."""

MOST_CLASSES = 100
"""Classes whose AP is shown, those with the most objects."""

_TEMPLATES = Path(__file__).with_name("templates")


def page(outcome: Outcome, known: Estimates) -> str:
    """The text of `report.html`: it stands alone, and names nothing that it does not hold.

    Where a long search would make it larger than `MOST_BYTES`, it shows fewer designs, and says so.

    Args:
        outcome: The search.
        known: What all scores say.
    """
    template, fixed = _environment().get_template("page.html"), _values(outcome, known)
    for room in _ROOMS:
        text = template.render(**fixed, **_bounded(outcome, known, room))
        if len(text.encode(errors="backslashreplace")) <= MOST_BYTES:
            break
    return text


def _values(outcome: Outcome, known: Estimates) -> dict[str, Any]:
    """What the templates name and is as long however long a search is."""
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    return {
        "name": printable(outcome.folder.name),
        "state": state(outcome),
        "answer": answer_of(outcome),
        "gain": gain_sentence(outcome, known),
        "commands": next_commands(outcome),
        "reach": reach(outcome),
        "accuracy": f"{'' if known.together is None else 'estimated '}mAP50-95 on the selection part",
        "legend": legend(outcome),
        "rung_sentences": ranking_sentences(outcome.proxy_scores, outcome.proxy_steps, outcome.rungs),
        "drawings": drawings(outcome),
        "comparison": outcome.comparison,
        "missing": _missing(outcome),
        "classes": () if outcome.comparison is None else _frequent(outcome.comparison.classes),
        "shots": shots_of(outcome),
        "quality": quality_sentences(outcome.settings, outcome.proxy_steps),
        "asked": [_item(line) for line in asked(outcome)],
        "origin": [_item(line) for line in origin(outcome)],
        "style": Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }


def _bounded(outcome: Outcome, known: Estimates, room: _Room) -> dict[str, Any]:
    """What the templates name and is cut short in a long search."""
    entries = design_list(outcome, known, room.designs, room.yamls)
    header, rows = table(outcome)
    ours, theirs = rows[: len(outcome.candidates)], rows[len(outcome.candidates) :]
    shown = [row for place, row in enumerate(ours) if place < room.rows or row[0].endswith(BEST_MARK)]
    said = notes(outcome)
    return {
        "front": front_chart(outcome, entries),
        "entries": entries,
        "left_out": len(trained([*outcome.baseline_records, *outcome.records])) - len(entries),
        "header": header,
        "rows": [*shown, *theirs],
        "candidates": len(shown),
        "notes": [_item(line) for line in said[: room.rows]],
        "rows_left_out": len(ours) - len(shown),
        "notes_left_out": max(0, len(said) - room.rows),
        "rungs": rung_chart(outcome, room.rows),
    }


@cache
def _environment() -> jinja2.Environment:
    """Every value is escaped here; the page's own style and script alone are not."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["marked"] = marked
    return made


def marked(text: str) -> Markup:
    """A sentence of `report.md` as markup: code between backticks, strong between double stars; the rest is text.

    Args:
        text: One paragraph.
    """
    return _marked(text, _MARKS)


def _marked(text: str, marks: Sequence[tuple[str, str]]) -> Markup:
    if not marks:
        return escape(text)
    (mark, element), *others = marks
    parts = text.split(mark)
    if len(parts) % 2 == 0:  # a mark of a name's own
        return _marked(text, others)
    within = Markup(f"<{element}>{{}}</{element}>")
    return Markup("").join(
        within.format(part) if place % 2 else _marked(part, others) for place, part in enumerate(parts)
    )


def _missing(outcome: Outcome) -> str:
    """Why there is no comparison, where there is none."""
    if outcome.best is None:
        return "Nothing meets the target, so no trained model was looked at."
    if outcome.ended == "interrupted":
        return "The search was interrupted. The same command finishes it, and then looks at the trained models."
    return (
        "The trained models in `models/` were not looked at, or what was found is gone. The same `ghostnas search` "
        "command looks at them."
    )


def _frequent(classes: Sequence[GroupAccuracy]) -> list[GroupAccuracy]:
    """The classes with the most objects, in the data's order."""
    kept = sorted(range(len(classes)), key=lambda at: -classes[at].objects)[:MOST_CLASSES]
    return [classes[at] for at in sorted(kept)]


def _item(line: str) -> tuple[int, str]:
    """Level and text of a line of a Markdown list."""
    text = line.lstrip()
    return (len(line) - len(text)) // 2, text.removeprefix("- ")
