"""The known word that a misspelt one was meant to be."""

import difflib
from collections.abc import Iterable


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word closest to `word`, whatever the case; None when none comes close."""
    as_known = {one.lower(): one for one in known}
    found = difflib.get_close_matches(word.lower(), as_known, n=1, cutoff=0.5)
    return as_known[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'onnx'?`, to go on a message with, or nothing."""
    found = closest(word, known)
    return f"; did you mean {found!r}?" if found else ""
