"""What is said of a data set before anything is measured or trained."""

import shutil
import sys
from pathlib import Path

import pytest

from nas.cli import main
from nas.data import load
from nas.errors import DataError

from .conftest import MakeSet


def preview(data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What `ghostnas data preview` prints."""
    monkeypatch.setattr(sys, "argv", ["ghostnas", "data", "preview", "--data", str(data), "--out", f"{data}.png"])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    return capsys.readouterr().out


def test_clean_data_is_not_talked_about(make_set: MakeSet) -> None:
    assert load(str(make_set())).findings.sentences() == []


def test_overlaps_are_counted_by_file_and_by_contents(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set(val="[images/val, images/train/list.txt]", test="images/test")
    (tmp_path / "images" / "train" / "list.txt").write_text(
        "".join(f"{tmp_path}/images/train/{i:03d}.png\n" for i in (0, 1))
    )
    shutil.copy(tmp_path / "images" / "train" / "005.png", tmp_path / "images" / "val" / "twin.png")
    (tmp_path / "images" / "test").mkdir()
    shutil.copy(tmp_path / "images" / "train" / "006.png", tmp_path / "images" / "test" / "a.png")
    shutil.copy(tmp_path / "images" / "val" / "000.png", tmp_path / "images" / "test" / "b.png")
    (tmp_path / "images" / "test" / "broken.png").write_bytes(b"no picture")
    findings = load(str(data)).findings
    assert findings.sentences()[0] == (
        "3 of the 11 pictures of val are in train as well (2 the same file, 1 another file of the same pixels): "
        "a score on val is not of unseen pictures"
    )
    assert any("by file alone, not by contents: cannot read the picture" in one for one in findings.sentences())
    (tmp_path / "images" / "test" / "broken.png").unlink()
    found = load(str(data)).findings
    shared = {(one.first, one.second): (one.files, one.contents, one.of) for one in found.overlaps}
    assert shared == {("val", "train"): (2, 1, 11), ("test", "train"): (0, 1, 2), ("test", "val"): (0, 1, 2)}


def test_copies_of_a_picture_are_in_one_part_alone(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set()
    for index in range(20):
        shutil.copy(tmp_path / "images" / "train" / f"{index:03d}.png", tmp_path / "images" / "train" / f"c{index}.png")
    loaded = load(str(data))
    train, select = (set(part.images) for part in (loaded.train, loaded.select))
    stems = [{int(path.stem.lstrip("c")) for path in part} for part in (train, select)]
    assert not stems[0] & stems[1] and len(select) == 10 and len(train) == 20
    assert "train: 20 pictures of the same pixels as another: all copies are in one of train and select" in (
        loaded.findings.sentences()
    )


@pytest.mark.parametrize(("copied", "disagreeing"), [(20, 0), (17, 6)])
def test_copies_of_which_the_labels_disagree_are_counted(
    make_set: MakeSet, tmp_path: Path, copied: int, disagreeing: int
) -> None:
    data, images, labels = make_set(), tmp_path / "images" / "train", tmp_path / "labels" / "train"
    for index in range(20):
        shutil.copy(images / f"{index:03d}.png", images / f"c{index}.png")
        if index < copied:
            shutil.copy(labels / f"{index:03d}.txt", labels / f"c{index}.txt")
    (part, _) = load(str(data)).findings.parts
    assert (part.copies, part.disagreeing) == (20, disagreeing)
    said = [line for line in load(str(data)).findings.sentences() if "other labels" in line]
    assert (
        said == ["train: 6 pictures of the same pixels as another have other labels than that one"][: bool(disagreeing)]
    )


def test_the_preview_counts_what_is_odd(
    make_set: MakeSet, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_set(classes=4, train="[images/train, more.txt]")
    labels = tmp_path / "labels"
    (tmp_path / "more.txt").write_text("# a comment\n./images/train/001.png 0,1,2\n")
    (labels / "train" / "000.txt").rename(labels / "train" / "000.TXT")
    (labels / "train" / "001.txt").write_text("0 0.5 0.5 0 0.1\n0 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.1 0.1\n")
    (labels / "train" / "002.txt").write_text("0 0.1 0.1 0.2 0.1 0.2 0.2\n")
    for file in (labels / "val").iterdir():
        file.write_text(file.read_text().replace("3 0.5", "0 0.5"))
    shutil.copy(tmp_path / "images" / "train" / "004.png", tmp_path / "images" / "train" / "004.bmp")
    for name in ("005.gif", "006.JFIF", ".007.png", "008", "009.jpg~"):
        (tmp_path / "images" / "train" / f"{name.strip('.')[:3]}.png").rename(tmp_path / "images" / "train" / name)
    (labels / "train" / "classes.txt").write_text("kind0\nkind1\n")
    said = preview(data, capsys, monkeypatch)
    for sentence in (
        "train: 1 picture without a label file: taken as without objects",
        "train: 1 box of no width or no height: left out",
        "train: 1 row that stand twice in a label file: taken once",
        "train: 1 polygon row taken as the enclosing boxes",
        "train: 2 pictures of the same name as another but for the suffix: they have one label file",
        "train: 2 lines of a list file that name no picture: left out",
        "train: 2 files of a picture format that Ultralytics does not read: left out",
        "train: 5 label files without a picture: left out",
        "val: no box of kind3",
    ):
        assert f"  {sentence}\n" in said


def test_what_was_left_out_is_said_where_too_few_are_left(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set(train="list.txt")
    (tmp_path / "list.txt").write_text(" \n".join(f"./images/train/{index:03d}.png" for index in range(20)))
    with pytest.raises(DataError, match=r"holds 1 different images, .*; train: 19 lines of a list file that name"):
        load(str(data))


@pytest.mark.parametrize("test", ["''", "[]", "~"])
def test_an_empty_test_split_is_none(test: str, make_set: MakeSet) -> None:
    assert load(str(make_set(test=test))).findings.sentences() == []


def test_a_test_split_that_is_not_here_is_told(make_set: MakeSet) -> None:
    (sentence,) = load(str(make_set(test="images/test"))).findings.sentences()
    assert sentence.startswith("test: not compared with train and val: ") and "`test: images/test` does not" in sentence


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("images/train/preview.png", "is a picture of `train:`, or would become one in its folder"),
        ("images/val/001.png", "is a picture of `val:`"),
        ("link.png", "is a picture of `val:`"),
        ("data.yaml", "--out must be a .png file"),
        ("labels/train/000.txt", "--out must be a .png file"),
        ("list.txt", "--out must be a .png file"),
        ("link to the list.png", "--out must be a .png file"),
    ],
)
def test_a_preview_in_place_of_the_users_files_is_refused(
    out: str,
    says: str,
    make_set: MakeSet,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = make_set(val="list.txt")
    (tmp_path / "list.txt").write_text("\n".join(f"./images/val/{index:03d}.png" for index in range(8)))
    (tmp_path / "link.png").symlink_to("images/val/001.png")
    (tmp_path / "link to the list.png").symlink_to("list.txt")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ghostnas", "data", "preview", "--data", str(data), "--out", out])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2 and says in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
