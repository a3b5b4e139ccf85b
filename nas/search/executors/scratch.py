"""Folders for what a process needs while it runs, deleted in the end, by the next process where this one is killed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from nas.util.locks import try_lock, wait_for_lock

_LOCK = ".lock"


@contextmanager
def own_folder(home: Path) -> Iterator[Path]:
    """A folder of this process's own in `home`, under a short name.

    A lock in it says that its process lives, here, in another container or on another host.

    Args:
        home: Where such folders lie; those that killed processes left in it are deleted.
    """
    with wait_for_lock(home / _LOCK):
        for left in home.iterdir():
            if left.is_dir() and (left_behind := try_lock(left / _LOCK)) is not None:
                with left_behind:
                    shutil.rmtree(left, ignore_errors=True)
        folder = next(folder for number in count(1) if not (folder := home / str(number)).exists())
        folder.mkdir()
        alive = wait_for_lock(folder / _LOCK)
    with alive:
        try:
            yield folder
        finally:
            # Where it cannot be deleted, as on a file system that is read-only now, the next process does that.
            with suppress(OSError), wait_for_lock(home / _LOCK):
                shutil.rmtree(folder, ignore_errors=True)
