"""A small data set as bytes, for a machine that has not got it."""

import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from nas.data.dataset import DetectionData
from nas.data.labels import has_labels, label_path
from nas.errors import StorageError

_YAML = "data.yaml"


@dataclass(frozen=True, slots=True)
class PackedData:
    """A data set's pictures and label files as they are, and its class names.

    Attributes:
        digest: The data set's (`DetectionData.digest`).
        files: Contents by path inside the set's folder; one of them is `data.yaml`.
    """

    digest: str
    files: dict[str, bytes]


def pack(data: DetectionData, most_bytes: int) -> PackedData | None:
    """Read a data set's train and val into memory; None where they are larger.

    Args:
        data: The data set.
        most_bytes: What its pictures may have together.

    Raises:
        StorageError: A file cannot be read.
    """
    try:
        if sum(image.stat().st_size for part in (data.whole, data.val) for image in part.images) > most_bytes:
            return None
        keys = {"train": "images/train", "val": "images/val", "names": dict(enumerate(data.names))}
        files = {_YAML: yaml.safe_dump(keys, sort_keys=False, allow_unicode=True).encode()}
        for part in (data.whole, data.val):
            for index, image in enumerate(part.images):
                stem, labels = f"{part.name}/{index:06d}", label_path(image)
                files[f"images/{stem}{image.suffix}"] = image.read_bytes()
                if has_labels(labels):
                    files[f"labels/{stem}.txt"] = labels.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot read the data set of {data.source}: {error}") from error
    return PackedData(data.digest, files)


def unpack(packed: PackedData, home: Path) -> Path:
    """Write a packed data set, unless it is there; what was cut off half-way is never taken for a whole one.

    Args:
        packed: The data set.
        home: Where such data sets lie, each in a folder named by its digest.

    Returns:
        Its data YAML.

    Raises:
        StorageError: It cannot be written.
    """
    folder = home / packed.digest
    if folder.is_dir():
        return folder / _YAML
    try:
        home.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=".making-", dir=home))
        try:
            for name, content in packed.files.items():
                (making / name).parent.mkdir(parents=True, exist_ok=True)
                (making / name).write_bytes(content)
            with suppress(OSError):  # another process may have been faster
                making.rename(folder)
            if not folder.is_dir():
                making.rename(folder)  # raises what is amiss
        finally:
            shutil.rmtree(making, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"cannot write the data set in {home}: {error.strerror or error}") from error
    return folder / _YAML
