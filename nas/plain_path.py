"""Files under paths that Ultralytics can read: it takes quotes, patterns and web addresses out of a path."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.printable import printable

_PLAIN = re.compile(r"[\w./@+,=-]+", re.ASCII)
_TAKEN_OUT = re.compile(r"[?%'*\[\]]|:/")


@contextmanager
def plainly(path: Path) -> Iterator[Path]:
    """The same file under a path of plain letters; the path itself where it is made of these.

    Args:
        path: A file; where there is none, the path stays what it is.
    """
    if _PLAIN.fullmatch(str(path)) or not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="ghostnas-") as folder:
        link = Path(folder) / f"model{path.suffix}"
        link.symlink_to(path.absolute())
        yield link


def read_as_it_is(path: Path) -> bool:
    """Whether Ultralytics reads a path as it stands; where it writes for itself, as in a training, it must."""
    text = str(path)
    return not _TAKEN_OUT.search(text) and printable(text) == text.strip()
