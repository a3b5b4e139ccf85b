"""Loading data sets: what is read, how it is split, and what is refused with which words."""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from nas.data import load
from nas.errors import DataError, UsageError
from tests.data.conftest import MakeSet


def test_splits_do_not_overlap_and_the_classes_keep_their_shares(bccd: Path) -> None:
    data = load(str(bccd))
    assert data.names == ("RBC", "WBC", "Platelets")
    assert (len(data.train), len(data.select), len(data.val)) == (164, 41, 87)
    assert not set(data.train.images) & set(data.select.images)
    whole = np.add(data.train.class_counts(3), data.select.class_counts(3))
    shares = np.array(data.select.class_counts(3)) / whole
    assert shares == pytest.approx([0.2] * 3, abs=0.06)
    assert data.train.objects + data.select.objects == whole.sum()


def test_selection_part_depends_on_neither_seed_nor_fraction(bccd: Path) -> None:
    whole, half = load(str(bccd)), load(str(bccd), fraction=0.5, seed=7)
    assert whole.select.images == half.select.images
    assert whole.digest == half.digest
    assert len(half.train) == 82
    assert set(half.train.images) < set(whole.train.images)
    assert half.train.images != load(str(bccd), fraction=0.5, seed=8).train.images


def test_digest_follows_the_labels_and_not_the_place(make_set: MakeSet, tmp_path: Path) -> None:
    first = load(str(make_set()))
    copy = tmp_path / "elsewhere"
    shutil.copytree(tmp_path, copy, ignore=lambda _, names: {"elsewhere"} & set(names))
    moved = load(str(copy / "data.yaml"))
    assert moved.digest == first.digest
    assert [path.name for path in moved.select.images] == [path.name for path in first.select.images]
    (copy / "labels" / "val" / "000.txt").write_text("0 0.5 0.5 0.25 0.25\n")
    (copy / "data.yaml").touch()
    assert load(str(copy / "data.yaml")).digest != first.digest


def test_nothing_is_written_beside_the_users_files(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set()
    before = sorted(tmp_path.rglob("*"))
    load(str(data))
    assert sorted(tmp_path.rglob("*")) == before


def test_list_files_list_names_and_polygons_are_read(make_set: MakeSet, tmp_path: Path) -> None:
    make_set()
    pictures = [f"./images/train/{index:03d}.png" for index in range(10)]
    (tmp_path / "part.txt").write_text("\n".join(pictures))
    polygon = "1 0.1 0.2 0.5 0.2 0.5 0.6\n"
    for index in range(10):
        (tmp_path / "labels" / "train" / f"{index:03d}.txt").write_text(polygon)
    (tmp_path / "data.yaml").write_text("path: .\ntrain: [part.txt, images/val]\nval: images/val\nnames: [a, b, c]\n")
    data = load(str(tmp_path / "data.yaml"))
    assert len(data.train) + len(data.select) == 18
    boxes = [one for one in (*data.train.labels, *data.select.labels) if one[0, 2] < 0.45]
    assert len(boxes) == 10
    assert boxes[0][0] == pytest.approx([1, 0.3, 0.4, 0.4, 0.4])


def test_the_pictures_are_those_that_ultralytics_finds(make_set: MakeSet, tmp_path: Path) -> None:
    from ultralytics.data.base import BaseDataset

    data = make_set(train="linked")
    folder = tmp_path / "images" / "train"
    (tmp_path / "linked").symlink_to(folder)
    (folder / "more").symlink_to(tmp_path / "images" / "val")
    (folder / ".ipynb_checkpoints").mkdir()
    for name in (".ipynb_checkpoints/000.png", "._000.png", "depth.pfm", "notes.txt", "new.AVIF"):
        shutil.copy(folder / "000.png", folder / name)
    loader = object.__new__(BaseDataset)
    loader.fraction, loader.prefix = 1.0, ""
    theirs = loader.get_img_files(str(folder))
    ours = load(str(data))
    assert [str(image) for image in ours.whole.images] == theirs
    assert len(theirs) == 20 + 8 + 1


def test_a_picture_that_is_listed_again_weighs_more_in_one_part_alone(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set(train="list.txt")
    lines = [
        f"./{way}/train/{index:03d}.png" for way in ("images", "images", "images/../images") for index in range(20)
    ]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    loaded = load(str(data))
    train, select = ([path.name for path in part.images] for part in (loaded.train, loaded.select))
    assert len(select) == len(set(select)) == 10
    assert len(train) == 30 and not set(train) & set(select)


def test_a_rare_class_is_on_both_sides(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set(pictures=60, classes=3)
    for index in range(60):
        kind = 2 if index in (4, 40) else 0
        (tmp_path / "labels" / "train" / f"{index:03d}.txt").write_text(f"{kind} 0.5 0.5 0.2 0.2\n")
    loaded = load(str(data))
    assert (loaded.train.class_counts(3)[2], loaded.select.class_counts(3)[2]) == (1, 1)


def test_a_download_entry_is_never_carried_out(make_set: MakeSet, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    data = make_set(download=f"\"open('{trap}', 'w').close()\"")
    load(str(data))
    shutil.rmtree(tmp_path / "images" / "val")
    data.touch()
    with pytest.raises(DataError, match=r"`val: images/val` does not exist.*`download:` entry is never"):
        load(str(data))
    assert not trap.exists()


@pytest.mark.parametrize("key", ["train", "val"])
def test_a_missing_key_is_named(make_set: MakeSet, key: str) -> None:
    with pytest.raises(DataError, match=rf"data\.yaml: the key `{key}:` is missing"):
        load(str(make_set(**{key: None})))


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("3 0.5 0.5 0.2 0.2", r"000\.txt:2: the class must be a whole number from 0 to 2 .*got 3"),
        ("-1 0.5 0.5 0.2 0.2", r"000\.txt:2: the class must"),
        ("nan 0.5 0.5 0.2 0.2", r"000\.txt:2: the class must"),
        ("0.5 0.5 0.5 0.2 0.2", r"000\.txt:2: the class must"),
        ("0 32 24 16 24", r"000\.txt:2: coordinates must be shares .*got 32"),
        ("0 nan 0.5 0.2 0.2", r"000\.txt:2: coordinates must be shares"),
        ("0 0.5 0.5 -0.005 0.2", r"000\.txt:2: width and height must not be negative"),
        ("0 0.5 0.5 0.2", r"000\.txt:2: each line needs .*got 4 numbers"),
        ("cat 0.5 0.5 0.2 0.2", r"000\.txt:2: each line needs .*got 'cat 0\.5"),
    ],
)
def test_a_bad_label_names_file_and_line(make_set: MakeSet, tmp_path: Path, label: str, message: str) -> None:
    data = make_set()
    (tmp_path / "labels" / "train" / "000.txt").write_text(f"0 0.5 0.5 0.2 0.2\n{label}\n")
    with pytest.raises(DataError, match=message):
        load(str(data))


def test_no_images_no_labels_no_file(make_set: MakeSet, tmp_path: Path) -> None:
    for nowhere in ("nowhere.yaml", "~nosuchuser/data.yaml", "x" * 300):
        with pytest.raises(DataError, match=f"there is no data YAML {nowhere}"):
            load(nowhere)
    with pytest.raises(DataError, match="is a folder; give the data YAML in it"):
        load(str(tmp_path))
    data = make_set()
    shutil.rmtree(tmp_path / "labels")
    with pytest.raises(DataError, match=r"the 20 images of `train:` have no labels.*expected in .*000\.txt"):
        load(str(data))
    for picture in (tmp_path / "images" / "train").iterdir():
        picture.unlink()
    with pytest.raises(DataError, match="`train: images/train` holds no images"):
        load(str(data))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2]", "a data YAML holds keys such as"),
        ("a: [", "data.yaml:1: the file is not YAML"),
        ("train: t\nval: v\n", "`names:` must list the class names"),
        ("train: t\nval: v\nnames: {1: a, 2: b}\n", "must number the 2 classes from 0 to 1"),
        ("train: t\nval: v\nnc: 3\nnames: [a, b]\n", "`nc: 3` and the 2 `names:` must agree"),
        ("train: t\nval: v\nnames: [a, b]\n", "`train: t` does not exist"),
        ("train: 3\nval: v\nnames: [a, b]\n", "`train:` must be a folder, a list file or a list"),
        (f"train: {'t' * 300}\nval: v\nnames: [a, b]\n", "`train: t+` does not exist"),
        ("path: ~nosuchuser\ntrain: t\nval: v\nnames: [a, b]\n", "`train: t` does not exist"),
        ("train: t\nval: v\nnc: some\nnames: [a, b]\n", "`nc:` must be the number of classes, got 'some'"),
        ("train: t\nval: v\nnc: .inf\nnames: [a, b]\n", "`nc:` must be the number of classes, got inf"),
        ("train: t\nval: v\nnc: 1.5\nnames: [a, b]\n", r"`nc:` must be the number of classes, got 1\.5"),
        ("train: t\nval: v\nnc: 3000000000\n", "`nc:` must be at most 100000, got 3000000000"),
        ('train: "a\\0b"\nval: v\nnames: [a, b]\n', r"`train: 'a.x00b'` cannot be a path"),
        ('train: t\nval: v\nnames: ["a\\ud83d", b]\n', "is no text: half of a surrogate pair"),
        ("train: t\nval: v\nchannels: 1\nnames: [a, b]\n", "`channels:` must be 3, .*got 1; leave it out"),
    ],
)
def test_a_bad_yaml_is_explained(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "data.yaml").write_text(content)
    with pytest.raises(DataError, match=message):
        load(str(tmp_path / "data.yaml"))


@pytest.mark.parametrize("nc", ['"3"', 3.0, 3])
@pytest.mark.parametrize("names", [None, "[a, b, c]"])
def test_the_number_of_classes_may_be_written_as_ultralytics_takes_it(
    make_set: MakeSet, nc: object, names: str | None
) -> None:
    assert load(str(make_set(nc=nc, names=names, channels=3))).nc == 3


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (
            "images/val/000.png",
            r"cannot read .*000\.png as a list of pictures, UTF-8 text with one path a line: 'utf-8'",
        ),
        ("latin.txt", r"cannot read .*latin\.txt as a list of pictures"),
        ("long.txt", r"long\.txt lists a picture that does not exist: .*x\.png"),
        ("images/train", r"gone\.png has a picture's name and is no file that can be read, but a folder"),
    ],
)
def test_what_names_no_pictures_is_explained(make_set: MakeSet, tmp_path: Path, train: str, message: str) -> None:
    data = make_set(train=train)
    (tmp_path / "latin.txt").write_bytes("./images/train/größe.png".encode("latin-1"))
    (tmp_path / "long.txt").write_text(f"./{'x' * 300}.png")
    (tmp_path / "images" / "train" / "gone.png").symlink_to("nowhere.png")
    with pytest.raises(DataError, match=message):
        load(str(data))


def test_labels_in_a_folder_that_may_not_be_entered_are_not_taken_for_none(
    make_set: MakeSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, labels, stat = make_set(), tmp_path / "labels" / "train", Path.stat

    def refuse(path: Path, **how: bool) -> os.stat_result:
        if path.parent == labels:
            raise PermissionError(errno.EACCES, "Permission denied")
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", refuse)  # root may enter everything
    with pytest.raises(DataError, match=r"cannot look for the label file .*labels/train/000\.txt: Permission denied"):
        load(str(data))


@pytest.mark.parametrize("fraction", [0, -0.1, 1.5, float("nan")])
def test_fraction_is_checked(fraction: float) -> None:
    with pytest.raises(UsageError, match="fraction must be above 0 and at most 1"):
        load(None, fraction=fraction)


def test_an_emoji_as_json_writes_it_is_one_letter(make_set: MakeSet) -> None:
    assert load(str(make_set(names='["cat \\ud83d\\ude00", b, c]'))).names == ("cat \U0001f600", "b", "c")


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_a_file_that_changes_is_read_anew_in_the_same_process(kind: str, make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set()
    before = load(str(data))
    assert load(str(data)) is before
    source, target = (next((tmp_path / kind / part).glob("000.*")) for part in ("val", "train"))
    target.write_bytes(source.read_bytes().replace(b"0.25", b"0.3"))
    assert load(str(data)).digest != before.digest


def test_a_path_that_means_two_folders_is_refused(
    make_set: MakeSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ds").mkdir()
    data = make_set(path="ds")
    for folder in ("images", "labels"):
        (tmp_path / folder).rename(tmp_path / "ds" / folder)
    (tmp_path / "elsewhere" / "ds").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load(str(data)).whole.images[0].is_relative_to(tmp_path / "ds")  # the other has no pictures
    (tmp_path / "elsewhere" / "ds" / "images").symlink_to(tmp_path / "ds" / "images")
    with pytest.raises(DataError, match=r"`path: ds` is a folder beside the YAML, .* and also .*write the whole path"):
        load(str(data))


def test_lines_of_a_list_are_those_of_ultralytics(
    make_set: MakeSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_set(train="list.txt")
    (tmp_path / "list.txt").write_text("".join(f".//images/train/{index:03d}.png\n" for index in range(20)))
    assert len(load(str(data)).whole) == 20
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("".join(f"images/train/{index:03d}.png\n" for index in range(20)))
    with pytest.raises(DataError, match=r"begins with the folder `images`, .*begin the lines with \./"):
        load(str(data))
