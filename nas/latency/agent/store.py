"""Models that an agent was sent, by the SHA-256 digest of their bytes. Needs only the standard library."""

import hashlib
import os
import re
import time
from pathlib import Path

from nas.errors import LatencyError, StorageError

MOST_BYTES = 2**30
"""More than this is not kept between measurements."""

MOST_AGE_S = 7 * 86400.0
_IN_USE_S = 3600.0
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Store:
    """A folder of models; the same bytes are sent once and kept for the next measurement."""

    def __init__(self, folder: Path) -> None:
        """Use a folder; it is made when the first model arrives."""
        self._folder = folder

    def has(self, digest: str) -> bool:
        """Whether the model is here.

        Raises:
            LatencyError: That is no digest.
        """
        path = self._path(digest)
        try:
            os.utime(path)  # what is asked for is about to be used, and is not pruned
        except OSError:
            return False
        return True

    def put(self, digest: str, data: bytes) -> None:
        """Keep a model.

        Raises:
            LatencyError: The bytes are not those of the digest.
            StorageError: The folder cannot be written.
        """
        path = self._path(digest)
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise LatencyError(f"a model arrived damaged: its SHA-256 is {found}, not {digest}; send it again")
        draft = path.with_name(f"{digest}.{os.getpid()}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_bytes(data)
            draft.replace(path)
        except OSError as error:
            raise StorageError(
                f"cannot keep a model of {len(data)} bytes in {self._folder}: {error.strerror or error}; free some "
                "space there, or set GHOSTNAS_CACHE to another folder"
            ) from error
        self.prune(time.time())

    def size(self, digest: str) -> int:
        """The size of a model in bytes.

        Raises:
            LatencyError: It was not sent.
        """
        try:
            return self._path(digest).stat().st_size
        except OSError:
            raise LatencyError(f"model {digest} is not on the device; send it first") from None

    def read(self, digest: str) -> bytes:
        """The bytes of a model.

        Raises:
            LatencyError: It was not sent, or is not what it was any more.
        """
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except OSError:
            raise LatencyError(f"model {digest} is not on the device; send it first") from None
        if hashlib.sha256(data).hexdigest() != digest:
            path.unlink(missing_ok=True)
            raise LatencyError(f"model {digest} was damaged on the device and is deleted there; send it again")
        return data

    def prune(self, now: float, most_bytes: int = MOST_BYTES, most_age_s: float = MOST_AGE_S) -> None:
        """Delete what has not been used for long, and the least recently used beyond a size.

        What was used within the last hour stays, because a measurement may be using it.

        Args:
            now: Seconds since 1970.
            most_bytes: Total size to keep.
            most_age_s: Longest time without use.
        """
        known = []
        for path in self._folder.iterdir():
            try:
                status = path.stat()
            except FileNotFoundError:  # another agent of the device has pruned too
                continue
            known.append((now - status.st_mtime, status.st_size, path))
        total = 0
        for age_s, size, path in sorted(known):
            total += size
            if age_s > _IN_USE_S and (age_s > most_age_s or total > most_bytes):
                path.unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise LatencyError(f"a model is named by a SHA-256 digest of 64 hexadecimal digits, got {digest!r}")
        return self._folder / digest
