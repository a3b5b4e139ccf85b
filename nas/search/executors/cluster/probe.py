"""What a node says of itself, and whether it has what trials read. Runs on the node; imports no Ray."""

import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nas
from nas.data import PackedData, load, unpack
from nas.errors import DataError, GhostnasError
from nas.search.executors.cluster.nodes import Facts
from nas.util.atomic_files import write_whole
from nas.util.locks import wait_for_lock
from nas.util.paths import cache_subdir, lock_dir, writable_dir
from nas.util.provenance import file_digest

_SHIPPED = "shipped"
"""Folder in the cache of what nodes were sent."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def facts(device: str, precision: str) -> Facts:
    """What this machine says of itself.

    Args:
        device: Where trials train: `cpu`, or any `cuda` for every GPU that this process sees.
        precision: The precision that proxies are asked for.

    Raises:
        ProxyError: The device is not there.
        StorageError: The folder of locks cannot be used.
    """
    from nas.util import ultralytics_env

    ultralytics_env.prepare()
    import torch
    import ultralytics

    from nas.proxy import find_device, find_precision

    place = find_device("cpu" if device == "cpu" else "cuda")
    same = {
        "ghostnas": nas.__version__,
        "torch": str(torch.__version__),
        "Ultralytics": str(ultralytics.__version__),
        "arithmetic": find_precision(precision, place),
    }
    free: tuple[int, ...] = ()
    if place.type == "cuda":
        gpus = range(torch.cuda.device_count())
        same["GPU"] = ", ".join(sorted({torch.cuda.get_device_name(index) for index in gpus}))
        free = tuple(int(torch.cuda.mem_get_info(index)[0]) for index in gpus)
    return Facts(same, free, _machine(), _locks())


def node_facts(device: str, precision: str) -> dict[str, Any]:
    """`facts` as plain values, which a driver of another version can read, too."""
    try:
        return asdict(facts(device, precision))
    except GhostnasError as error:
        return {"problem": str(error)}


def data_here(data: str | None, fraction: float, digest: str, folder: str, packed: PackedData | None) -> str | None:
    """Where the data set of a search lies on this node: at its own path, or as it was sent.

    Args:
        data: Its YAML on the driver's machine; None for the embedded set.
        fraction: Share of the training pictures.
        digest: Of the data with which the search began.
        folder: The driver's current folder, from which paths in the YAML may start.
        packed: The data set; None where it is too large to be sent.

    Returns:
        Its YAML here; None for the embedded set.

    Raises:
        DataError: It is not at that path or is another one there, and it is not sent.
        StorageError: What is sent cannot be written.
    """
    enter(folder)
    if (why := _other_data(data, fraction, digest)) is None:
        return data
    if packed is None:
        raise DataError(f"{why}; the data set is too large to be sent: copy it to the same path there")
    sent = str(unpack(packed, cache_subdir(_SHIPPED)))
    if (still := _other_data(sent, fraction, digest)) is not None:
        raise DataError(f"{why}; sent, it was read otherwise ({still}): copy it to the same path there")
    return sent


def file_here(path: Path, digest: str, content: bytes) -> Path:
    """A file of the driver's machine on this node: at its own path where that has the same content, else written.

    Args:
        path: Where it lies there.
        digest: SHA-256 of its content.
        content: Its content.

    Raises:
        StorageError: It cannot be written.
    """
    if path.is_file() and file_digest(path) == digest:
        return path
    folder = writable_dir(cache_subdir(_SHIPPED) / digest)
    copy = folder / path.name
    with wait_for_lock(folder / ".lock"):  # the workers of a node begin at the same time
        if not (copy.is_file() and file_digest(copy) == digest):
            write_whole(copy, content)
    return copy


def enter(folder: str) -> None:
    """Go to the driver's current folder where this node has one of that path."""
    if os.path.isdir(folder):
        os.chdir(folder)


def _other_data(data: str | None, fraction: float, digest: str) -> str | None:
    """Why a data set is not the one of that digest; None where it is."""
    try:
        found = load(data, fraction=fraction)
    except DataError as error:
        return str(error)
    return None if found.digest == digest else f"{data} holds other pictures or labels (digest {found.digest})"


def _machine() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return platform.node()


def _locks() -> str:
    found = lock_dir().stat()
    return f"{found.st_dev}:{found.st_ino}"
