"""Label files and lists as people have them: each is read as Ultralytics reads it, or refused in one line."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from nas.cli import main

CASES = Path(__file__).parents[3] / "shared" / "cases"
PLAIN = "plain"  # the digest of the set as it is: the same pictures and boxes are read

LABELS = {
    "plain": PLAIN,
    "mixed": r"txt:1: the row is a polygon and the row in line 2 is a box",
    "obb": "218 polygon rows taken as the enclosing boxes",
    "pose2d": PLAIN,
    "pose23": PLAIN,
    "pose13": PLAIN,
    "pose23v2": PLAIN,
    "conf": r"txt:1: each line needs .* got 6 numbers",
    "track": r"txt:3: coordinates must be shares",
    "trackid_small": "218 polygon rows",
    "floatclass": PLAIN,
    "crlf_bom": PLAIN,
    "cr_only": PLAIN,
    "utf16": "cannot read the label file",
    "commas": r"txt:1: each line needs",
    "decimalcomma": r"txt:1: each line needs",
    "zero": PLAIN,
    "allzero": r"no labels, all 218 boxes have no width or no height",
    "dup": PLAIN,
    "over1": "6 train, 6 select, 6 val",
    "over1b": r"txt:20: coordinates must be shares .* got 1\.02",
    "nan": r"txt:20: coordinates must be shares .* got nan",
    "underscore": r"txt:20: the class must be a whole number",
    "upper": "train: 6 pictures without a label file",
    "classesbase1": r"the class must be a whole number from 0 to 2 .* got 3",
    "classestxt": PLAIN,
    "latin1yaml": "is not UTF-8 text",
    "yamlutf16": "is not UTF-8 text",
    "yamlcrlfbom": PLAIN,
    "yamltab": r"data\.yaml:1: the file is not YAML",
    "norway": r'data\.yaml:4: the class name no would be read as False; write it in quotes: "no"',
    "namesgap": "must number the 3 classes from 0 to 2",
    "namesstr": "must list the class names",
    "namesdup": r"data\.yaml:6: the key `names\.1:` stands twice",
    "namesdupkey": r"the key `train:` stands twice",
    "names1based": "must number the 3 classes from 0 to 2",
    "nestednames": "a class name must be a text",
    "names80": "no box of c3, c4, .* and 69 more classes",
    "nc_disagree": "`nc: 80` and the 3 `names:` must agree",
    "valtrain": r"12 of the 12 pictures of val are in train as well \(12 the same file\)",
    "coco": "have no labels, there are no label files",
    "three": "3 different images, at least 4",
    "testonly": "`train:` is missing",
    "noval": "`val:` is missing",
    "newline": PLAIN,
    "spaces": PLAIN,
}
LISTS = {
    "winlist": r"lists a picture that does not exist: .*with / in place of",
    "winabs": r"lists a picture that does not exist",
    "darknetlist": r"begins with the folder `images`, and Ultralytics looks for the labels of such a picture beside it",
    "cvatlist": r"lists a picture that does not exist",
    "quotedlist": r"holds no images .* the line '\"\./images",
    "labelinlist": r"holds no images .* the line '\./images.* 0,1,2,3,4'",
    "halfwin": r"lists a picture that does not exist",
    "upperfolders": "are expected in .*Images/train/",
    "splitfirst": PLAIN,
    "splitonly": PLAIN,
    "pathabs": "does not exist, looked in /content/datasets/bccd/images/train",
    "pathenv": "does not exist",
    "pathnull": PLAIN,
    "pathnum": "`path:` must be a folder, got 2024",
    "glob": r"`train: images/tr\*` does not exist",
    "single": "cannot read .* as a list of pictures",
    "listoffolders": r"6 of the 6 pictures of val are in train as well \(6 the same file\)",
    "listdup": "train: 12 pictures of the same pixels as another",
    "nested": "6 of the 6 pictures of val are in train",
    "symlinks": PLAIN,
    "samestem": "train: 2 pictures of the same name as another but for the suffix",
    "mac": PLAIN,
    "aug": "train: 12 pictures without a label file",
}
# A polygon among boxes, tiny pictures, JPEGs with bytes after their end: `ghostnas train` once dropped half of them.
DROPS = {"drops": r"cannot use the picture .*, which Ultralytics leaves out: image size \(8, 9\) <10 pixels"}


def made(maker: str, folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write one of the situations."""
    script = CASES / maker / "make.py"
    if not script.is_file():
        pytest.skip(f"the cases are not here ({script})")
    monkeypatch.setattr(sys, "argv", [str(script), str(folder), kind])
    monkeypatch.setattr(sys, "path", [str(CASES), *sys.path])
    runpy.run_path(str(script), run_name="__main__")


@pytest.mark.slow
@pytest.mark.parametrize(("maker", "table"), [("odd_labels", LABELS), ("odd_lists", LISTS), ("train_drops", DROPS)])
def test_every_case_has_its_right_answer(
    maker: str,
    table: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain, wrong = None, {}
    for maker_of, kind, right in [
        ("odd_labels", "plain", PLAIN),
        *((maker, kind, said) for kind, said in table.items()),
    ]:
        folder = tmp_path / kind
        made(maker_of, folder, kind, monkeypatch)
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["ghostnas", "data", "preview", "--out", str(tmp_path / "p.png")])
        sys.argv += ["--data", "data.yaml"]
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        digest = re.search(r"digest (\w+)", said.out)
        plain = plain or (digest and digest[1])
        if right == PLAIN:
            good = digest is not None and digest[1] == plain
        elif end.value.code:
            good = end.value.code == 2 and len(said.err.strip().splitlines()) == 1
        else:
            good = True
        if not (good and (right == PLAIN or re.search(right, said.out + said.err))):
            wrong[kind] = (end.value.code, said.out + said.err)
    assert not wrong
