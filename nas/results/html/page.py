"""The whole page: every value that the templates name, and the two files that are put into it as they are."""

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from nas.results.gain_sentences import gain_sentence, next_commands
from nas.results.html.answer import answer_of
from nas.results.html.design_list import design_list
from nas.results.html.drawing import drawings
from nas.results.html.front_chart import front_chart
from nas.results.html.rung_chart import rung_chart
from nas.results.html.shots import shots_of
from nas.results.markdown import asked, legend, origin, reach, state, table
from nas.results.proxy_quality import quality_sentences
from nas.results.rung_sentences import ranking_sentences
from nas.study import Estimates, GroupAccuracy, Outcome, trained
from nas.util.printable import printable

MOST_BYTES = 900_000
"""What the page holds at most."""

_ROOMS = ((400, 80), (250, 60), (120, 40), (60, 20))
"""Designs that are listed, and those of them with their YAML, the most first."""

_EMPHASIS = re.compile(r"\*(is|train)\*|\\(\*)")
"""The words that sentences of `report.md` emphasise, and the star that they escape."""

MOST_CLASSES = 100
"""Classes whose AP is shown, those with the most objects."""

_TEMPLATES = Path(__file__).with_name("templates")


def page(outcome: Outcome, known: Estimates) -> str:
    """The text of `report.html`: it stands alone, and names nothing that it does not hold.

    Where a long search would make it larger than `MOST_BYTES`, it lists fewer designs, and says so.

    Args:
        outcome: The search.
        known: What all scores say.
    """
    for designs, yamls in _ROOMS:
        text = _rendered(outcome, known, designs, yamls)
        if len(text.encode(errors="backslashreplace")) <= MOST_BYTES:
            break
    return text


def _rendered(outcome: Outcome, known: Estimates, designs: int, yamls: int) -> str:
    entries = design_list(outcome, known, designs, yamls)
    header, rows = table(outcome)
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template("page.html")
        .render(
            name=printable(outcome.folder.name),
            state=state(outcome),
            answer=answer_of(outcome),
            gain=gain_sentence(outcome),
            commands=next_commands(outcome),
            reach=reach(outcome),
            front=front_chart(outcome, entries),
            entries=entries,
            left_out=len(trained([*outcome.baseline_records, *outcome.records])) - len(entries),
            header=header,
            rows=rows,
            candidates=len(outcome.candidates),
            legend=legend(outcome),
            rungs=rung_chart(outcome),
            rung_sentences=ranking_sentences(outcome.proxy_scores, outcome.proxy_steps, outcome.rungs),
            drawings=drawings(outcome),
            comparison=outcome.comparison,
            missing=_missing(outcome),
            classes=() if outcome.comparison is None else _frequent(outcome.comparison.classes),
            shots=shots_of(outcome),
            quality=quality_sentences(outcome.settings, outcome.proxy_steps),
            asked=[_item(line) for line in asked(outcome)],
            origin=[_item(line) for line in origin(outcome)],
            latency=outcome.settings.latency.conditions,
            style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


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
    """A sentence of `report.md` as markup: code between backticks; the rest is text, without Markdown's stars.

    Args:
        text: One paragraph.
    """
    parts = _EMPHASIS.sub(lambda found: found[1] or found[2], text).split("`")
    if len(parts) % 2 == 0:  # a backtick of a name's own
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts)
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
