"""The embedded set: deterministic, whole or made again, and an ordinary Ultralytics data set."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from nas.data import load
from nas.data.preview import write_preview
from nas.data.synthetic import embedded
from nas.data.synthetic.layout import NAMES, SIZE
from nas.data.synthetic.scenes import scene

SMALL = {"train": 48, "val": 12}


@pytest.fixture
def small_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and a smaller set, so that making it takes half a second."""
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path))
    monkeypatch.setattr(embedded, "PICTURES", SMALL)
    return tmp_path / "data"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_made_once_the_same_and_whole(small_cache: Path) -> None:
    yaml = embedded.embedded_yaml()
    first = contents(yaml.parent)
    assert len(first) == 2 * sum(SMALL.values()) + 1
    assert [path.name for path in small_cache.iterdir()] == [embedded.SET_NAME]
    assert str(small_cache).encode() not in first["data.yaml"]
    made = yaml.stat().st_mtime_ns
    assert embedded.embedded_yaml().stat().st_mtime_ns == made
    (yaml.parent / "images" / "train" / "train_0003.jpg").unlink()
    assert contents(embedded.embedded_yaml().parent) == first


def test_a_picture_depends_on_its_seed_alone() -> None:
    one, two, other = (scene(np.random.default_rng([1, 0, 0, index])) for index in (5, 5, 6))
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])
    assert not np.array_equal(one[0], other[0])


def test_labels_lie_in_the_picture_and_all_classes_occur() -> None:
    rows = np.concatenate([scene(np.random.default_rng(seed))[1] for seed in range(40)])
    assert set(rows[:, 0]) == set(range(len(NAMES)))
    low, high = rows[:, 1:3] - rows[:, 3:] / 2, rows[:, 1:3] + rows[:, 3:] / 2
    assert low.min() >= -1e-6
    assert high.max() <= 1 + 1e-6
    sides = rows[:, 3:] * SIZE
    assert sides.min() > 8
    assert sides.max() / sides.min() > 5  # several scales


def test_colour_does_not_tell_the_class() -> None:
    """A nearest-mean guess from a box's mean colour stays near chance (one in six)."""
    colours: list[np.ndarray] = []
    kinds: list[int] = []
    for seed in range(100):
        picture, rows = scene(np.random.default_rng(seed))
        for kind, x, y, wide, high in rows:
            box = [x - wide / 4, y - high / 4, x + wide / 4, y + high / 4]
            left, top, right, bottom = (int(side * SIZE + 0.5) for side in box)
            colours.append(picture[top : bottom + 1, left : right + 1].reshape(-1, 3).mean(0))
            kinds.append(int(kind))
    points, truth = np.array(colours), np.array(kinds)
    half = len(points) // 2
    means = np.array([points[:half][truth[:half] == kind].mean(0) for kind in range(len(NAMES))])
    guess = np.linalg.norm(points[half:, None] - means[None], axis=-1).argmin(1)
    assert (guess == truth[half:]).mean() < 0.28


def test_ultralytics_reads_the_set(small_cache: Path, tmp_path: Path) -> None:
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.utils import YAML

    yaml = embedded.embedded_yaml()
    ours = load(None)
    copy = tmp_path / "copy"
    shutil.copytree(yaml.parent, copy)  # Ultralytics writes a cache beside the labels
    read = YOLODataset(
        img_path=str(copy / "images" / "val"), data={**YAML.load(yaml), "nc": 6}, imgsz=96, augment=False
    )
    assert len(read) == len(ours.val)
    for theirs, labels in zip(read.labels, ours.val.labels, strict=True):
        rows = np.concatenate([theirs["cls"], theirs["bboxes"]], 1)
        assert np.allclose(sorted(rows.tolist()), sorted(labels.tolist()))


def test_preview_shows_the_pictures(small_cache: Path, tmp_path: Path) -> None:
    data = load(None)
    assert write_preview(data, tmp_path / "new" / "sheet.png", 5) == 5
    sheet = cv2.imread(str(tmp_path / "new" / "sheet.png"))
    assert sheet.shape[0] > 500
    assert sheet.std() > 20
