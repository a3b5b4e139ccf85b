"""Files under paths that Ultralytics can read: it takes quotes, patterns and web addresses out of a path."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.errors import StorageError
from nas.util.paths import lock_dir
from nas.util.printable import printable

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


def plain_folder(folder: Path) -> Path:
    """A folder under a path that Ultralytics reads as it stands: its own, else that of a link which stays.

    Ultralytics keeps the path in checkpoints, so the link of a folder is always the same and is made again when it is
    gone.

    Args:
        folder: An absolute path; the folder need not be there.

    Raises:
        StorageError: The link cannot be made.
    """
    if read_as_it_is(folder):
        return folder
    link = lock_dir() / "links" / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    try:
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(folder)
    except OSError as error:
        raise StorageError(f"cannot make the link {link} to {folder}: {error.strerror or error}") from error
    return link


def plain_name(name: str) -> str:
    """A name for a folder that Ultralytics reads as it stands: the name itself, or one with dashes for the rest."""
    return name if read_as_it_is(Path(name)) else re.sub(r"[^\w.@+=-]+", "-", name)


def read_as_it_is(path: Path) -> bool:
    """Whether Ultralytics reads a path as it stands."""
    text = str(path)
    return not _TAKEN_OUT.search(text) and printable(text) == text.strip()
