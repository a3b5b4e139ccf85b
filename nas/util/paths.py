"""The places ghostnas writes: the results folder the user names, one cache folder, and one for locks.

The cache folder follows the platform's convention (`~/.cache/ghostnas` on Linux) and is set with `GHOSTNAS_CACHE`.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from nas.errors import StorageError

_NEEDED_BYTES = 200 * 2**20


LOCKS = Path("/tmp")
"""Where each user's folder of locks lies; not a setting, because all processes of a machine must agree on it."""


def cache_dir() -> Path:
    """The cache folder's path; it is not created here.

    Raises:
        StorageError: It is not set, and there is no home folder.
    """
    setting = os.environ.get("GHOSTNAS_CACHE")
    if setting:
        folder = os.path.expanduser(setting)
    else:
        import platformdirs  # not where only the standard library is, on a device, whose agent is given the folder

        if not os.path.isabs(os.environ.get("XDG_CACHE_HOME", "/")):
            del os.environ["XDG_CACHE_HOME"]  # which the XDG specification calls invalid, and to be ignored
        try:
            folder = platformdirs.user_cache_dir("ghostnas")
        except RuntimeError:
            folder = "~/.cache/ghostnas"
    if folder.startswith("~"):
        raise StorageError(
            f"the cache folder {folder} lies in a home folder that is not known; set GHOSTNAS_CACHE to a folder"
        )
    return Path(folder).absolute()


def lock_dir() -> Path:
    """The folder of this user's locks: the same in every process, whatever its cache folder.

    Raises:
        StorageError: It cannot be made, or is another user's.
    """
    folder = LOCKS / f"ghostnas-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        owner = folder.lstat().st_uid
    except OSError as error:
        raise StorageError(f"cannot make the folder of locks {folder}: {error.strerror or error}") from error
    if owner != os.getuid():
        raise StorageError(f"the folder of locks {folder} belongs to another user; remove it")
    return folder


def writable_dir(path: Path, advice: str = "choose another folder") -> Path:
    """Create a folder, with parents, and prove that it can be written; where it cannot, none of them is left.

    Args:
        path: The folder.
        advice: What to do where it cannot.

    Raises:
        StorageError: The folder cannot be made or written.
    """
    new = [one for one in (path, *path.parents) if not os.path.lexists(one)]
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".write-test-{os.getpid()}"
        probe.write_bytes(b"ok")
        probe.unlink()
    except OSError as error:
        for one in new:
            with suppress(OSError):
                one.rmdir()
        raise StorageError(f"cannot write in {path}: {error.strerror or error}; {advice}") from error
    return path


def check_writable(path: Path) -> None:
    """Prove that a folder can be made and written, and leave things as they are.

    Raises:
        StorageError: It cannot.
    """
    new = [one for one in (path, *path.parents) if not os.path.lexists(one)]
    writable_dir(path)
    for one in new:
        one.rmdir()


def cache_subdir(name: str, needed_bytes: int = _NEEDED_BYTES) -> Path:
    """A writable folder inside the cache with at least `needed_bytes` free on its disk.

    Raises:
        StorageError: The folder cannot be written or its disk is too full.
    """
    folder = writable_dir(cache_dir() / name, "set GHOSTNAS_CACHE to another folder")
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise StorageError(
            f"the disk of the cache folder {cache_dir()} has {free / 2**20:.0f} MiB free, "
            f"{needed_bytes / 2**20:.0f} MiB are needed; free some space or set GHOSTNAS_CACHE to another disk"
        )
    return folder
