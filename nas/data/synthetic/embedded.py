"""The embedded data set: an ordinary Ultralytics set in the cache folder, made on first use in seconds."""

import shutil
import tempfile
from pathlib import Path

import numpy as np

from nas.errors import StorageError
from nas.util.paths import cache_subdir

# A new version whenever a byte of the set changes: the folder's name and the data digest follow from it.
VERSION = 3
SEED = 0
SET_NAME = f"embedded-v{VERSION}-seed{SEED}"
PICTURES = {"train": 720, "val": 200}
_JPEG_QUALITY = 92


def embedded_yaml() -> Path:
    """The data YAML of the embedded set; makes the set when it is not there or not whole.

    Raises:
        StorageError: The cache folder cannot be written.
    """
    folder = cache_subdir("data") / SET_NAME
    if not _whole(folder):
        _make(folder)
    return folder / "data.yaml"


def _whole(folder: Path) -> bool:
    if not (folder / "data.yaml").is_file():
        return False
    return all(
        len(list((folder / kind / part).glob(f"*{suffix}"))) == count
        for part, count in PICTURES.items()
        for kind, suffix in (("images", ".jpg"), ("labels", ".txt"))
    )


def _make(folder: Path) -> None:
    # Made under a temporary name and renamed, so that a half-made set is never taken for a whole one, and two
    # processes that start together do not disturb each other: the set is the same whoever is first.
    try:
        making = Path(tempfile.mkdtemp(prefix=f".{SET_NAME}-", dir=folder.parent))
        try:
            making.chmod(0o755)
            write_set(making, PICTURES, SEED)
            if folder.exists() and not _whole(folder):
                shutil.rmtree(folder)
            if not folder.exists():
                making.rename(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    except OSError as error:
        if not _whole(folder):
            raise StorageError(
                f"cannot write the embedded data set in {folder.parent}: {error.strerror or error}; "
                "free some space or set GHOSTNAS_CACHE to another folder"
            ) from error


def write_set(folder: Path, pictures: dict[str, int], seed: int) -> None:
    """Write a synthetic set: `images/` and `labels/` with a folder a split, and a relocatable `data.yaml`.

    Args:
        folder: An empty folder.
        pictures: Number of pictures a split.
        seed: Of the whole set.
    """
    import cv2

    from nas.data.synthetic.layout import NAMES
    from nas.data.synthetic.scenes import scene

    for number, (part, count) in enumerate(pictures.items()):
        images, labels = folder / "images" / part, folder / "labels" / part
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for index in range(count):
            # One generator a picture: a picture does not depend on how many come before it.
            picture, rows = scene(np.random.default_rng([VERSION, seed, number, index]))
            done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
            if not done:
                raise OSError("OpenCV cannot encode JPEG")
            (images / f"{part}_{index:04d}.jpg").write_bytes(data.tobytes())
            lines = [f"{int(row[0])} " + " ".join(f"{value:.6f}" for value in row[1:]) for row in rows]
            (labels / f"{part}_{index:04d}.txt").write_text("\n".join(lines) + "\n")
    names = "".join(f"  {index}: {name}\n" for index, name in enumerate(NAMES))
    (folder / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames:\n{names}")
