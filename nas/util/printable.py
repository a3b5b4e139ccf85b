"""Text that every terminal, text file and shell takes.

A path may hold a line break, or bytes that are no UTF-8; Python keeps the latter as lone surrogates, which no text file
can be written with.
"""

import os
import shlex
import unicodedata
from collections.abc import Iterable

_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Control characters, surrogates, and the two separators of Unicode that break a line."""


def printable(text: object) -> str:
    r"""A text or path in one line of UTF-8: what cannot stand there is escaped, such as `\n` and `\xff`."""
    return "".join(_escaped(one) if unicodedata.category(one) in _UNPRINTABLE else one for one in str(text))


def shell_word(text: str) -> str:
    r"""A word as a shell reads it; one that cannot be printed as `$'...'`, which bash, zsh and ksh know."""
    if printable(text) == text:
        return shlex.quote(text)
    return f"$'{printable(text.replace(chr(92), chr(92) * 2)).replace(chr(39), chr(92) + chr(39))}'"


def shell_line(words: Iterable[str]) -> str:
    """Words as one line of a shell."""
    return " ".join(shell_word(word) for word in words)


def _escaped(character: str) -> str:
    if unicodedata.category(character) == "Cs":
        return "".join(rf"\x{byte:02x}" for byte in os.fsencode(character))
    return character.encode("unicode_escape").decode("ascii")
