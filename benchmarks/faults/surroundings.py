"""What goes wrong around a search: full and read-only file systems, and a clock that is set."""

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_APART = "GHOSTNAS_BENCHMARK_MOUNTS"


def own_mounts() -> None:
    """Begin this process anew in a mount namespace of its own, which ends with it: no mount is left on the machine."""
    if os.environ.get(_APART):
        return
    how = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user"]
    command = ["unshare", *how, sys.executable, "-m", _module(), *sys.argv[1:]]
    os.execvpe(command[0], command, {**os.environ, _APART: "1"})


def _module() -> str:
    spec = sys.modules["__main__"].__spec__
    assert spec is not None, "run with python -m"
    return spec.name


@contextmanager
def file_system(place: Path) -> Iterator[None]:
    """A file system of its own, in memory, in a new folder."""
    place.mkdir()
    _run("mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", str(place))
    try:
        yield
    finally:
        _run("umount", "--lazy", str(place))


@contextmanager
def full(place: Path) -> Iterator[None]:
    """No byte can be written in a file system, until the block ends."""
    filler = place / ".filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 2**16)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """Whatever is opened below a folder is read-only, until the block ends; files that are open stay as they are."""
    _run("mount", "--bind", str(place), str(place))
    _run("mount", "-o", "remount,bind,ro", str(place))
    try:
        yield
    finally:
        _run("umount", "--lazy", str(place))


class Clock:
    """The time of day of the processes that have `variables`."""

    def __init__(self, folder: Path) -> None:
        """Compile what moves it (`clock.c`) into a folder."""
        library, self._offset = folder / "clock.so", folder / "offset"
        self.set(0)
        _run("cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(Path(__file__).with_name("clock.c")))
        self.variables = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(self._offset)}

    def set(self, seconds: int) -> None:
        """Move it by so many seconds from what it is."""
        with self._offset.open("r+b" if self._offset.exists() else "wb") as file:
            file.write(struct.pack("q", seconds))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
