"""The two reports of a search: `report.md`, and `report.html` for a browser."""

from pathlib import Path

from nas.errors import StorageError
from nas.results.html.page import page
from nas.results.markdown import report
from nas.study import Estimates, Outcome

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
    texts = {MARKDOWN_FILE: report(outcome), HTML_FILE: page(outcome, known or outcome.known)}
    for name, text in texts.items():
        path = outcome.folder / name
        try:
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    return outcome.folder / HTML_FILE
