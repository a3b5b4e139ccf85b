"""A small data set on disk that each test may spoil in its own way."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

MakeSet = Callable[..., Path]


@pytest.fixture
def make_set(tmp_path: Path) -> MakeSet:
    """A maker of data sets: pictures of 64x48, one object each, classes in turn; no two are alike."""

    def make(pictures: int = 20, classes: int = 3, **keys: object) -> Path:
        for part, count, shade in (("train", pictures, 0), ("val", 8, 200)):
            for kind in ("images", "labels"):
                (tmp_path / kind / part).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                picture = np.full((48, 64, 3), shade + index, dtype=np.uint8)
                cv2.imwrite(str(tmp_path / "images" / part / f"{index:03d}.png"), picture)
                label = f"{index % classes} 0.5 0.5 0.25 0.5\n"
                (tmp_path / "labels" / part / f"{index:03d}.txt").write_text(label)
        names = {index: f"kind{index}" for index in range(classes)}
        content = {"train": "images/train", "val": "images/val", "names": names, **keys}
        lines = (f"{key}: {value}\n" for key, value in content.items() if value is not None)
        (tmp_path / "data.yaml").write_text("".join(lines))
        return tmp_path / "data.yaml"

    return make
