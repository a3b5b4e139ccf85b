"""The two reports of a search: `report.md`, and `report.html` for a browser."""

from pathlib import Path

from nas.results.html.page import page
from nas.results.markdown import report
from nas.study import Estimates, Outcome
from nas.util.atomic_files import write_whole

MARKDOWN_FILE = "report.md"
HTML_FILE = "report.html"


def write_reports(outcome: Outcome, known: Estimates | None = None) -> Path:
    """Write both reports into the results folder.

    Args:
        outcome: The search.
        known: What all scores say; None to learn it here.

    Returns:
        `report.html`.

    Raises:
        StorageError: One of them cannot be written.
    """
    known = known or outcome.known
    for name, text in {MARKDOWN_FILE: report(outcome, known), HTML_FILE: page(outcome, known)}.items():
        write_whole(outcome.folder / name, text.encode(errors="backslashreplace"))
    return outcome.folder / HTML_FILE
