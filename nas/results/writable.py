"""Whether a search can write its results folder, asked before it begins and not when it ends."""

import os
from pathlib import Path

from nas.errors import StorageError, UsageError
from nas.results.folder import BEST_FILE, FRONT, HANDED_OVER
from nas.results.plot import check_drawing
from nas.results.reports import HTML_FILE, MARKDOWN_FILE

TABLES = ("trials.csv", "front.csv", "baselines.csv", "promoted.csv", "rungs.csv")
FILES = (*TABLES, "front.png", "rungs.png", "run.json", MARKDOWN_FILE, HTML_FILE, BEST_FILE, *HANDED_OVER)
FOLDERS = (FRONT, "models")


def check_name(name: str) -> None:
    """A search's name is that of one folder, so that it can be found by it.

    Raises:
        UsageError: It is a path, empty, or holds a zero byte.
    """
    if name in ("", ".", "..") or os.sep in name or "\0" in name:
        raise UsageError(
            f"--name must be the name of one folder, got {name!r}; --out says where that lies, such as "
            f"--out {os.path.dirname(name) or '.'}"
        )


def check_results(folder: Path) -> None:
    """Look at every place that a search writes in the end; nothing is written.

    Args:
        folder: Results folder, which need not be there yet.

    Raises:
        GhostnasError: One of them cannot be written; says which and why.
    """
    check_drawing()
    for name, wanted in [*((name, "file") for name in FILES), *((name, "folder") for name in FOLDERS)]:
        place = folder / name
        if not os.path.lexists(place):
            continue
        if not (os.path.isfile(place) if wanted == "file" else os.path.isdir(place) and not os.path.islink(place)):
            raise StorageError(f"{place} is no {wanted}, and a search writes one there; move it away")
        if not os.access(place, os.W_OK):
            raise StorageError(f"cannot write {place}, which a search does in the end; allow it, or move it away")
