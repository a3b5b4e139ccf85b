"""Data YAMLs, label files and pictures that cannot be used."""

from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.cli.bad.case import Case, Prepare, both, text

_YAML = "data.yaml"
YAML = "train: images/train\nval: images/val\nnames: [a, b, c]\n"
PREVIEW = ("data", "preview", "--data", _YAML)
_FIRST = "images/train/000.png"
_LABEL = "labels/train/000.txt"


@cache
def _picture(shade: int, format: str = "PNG") -> bytes:
    file = BytesIO()
    Image.new("RGB", (32, 32), (shade, shade, shade)).save(file, format)
    return file.getvalue()


def good(folder: Path) -> None:
    """A data set of eight training and two validation pictures, each with one object."""
    for part, count, shade in (("train", 8, 0), ("val", 2, 100)):
        for kind in ("images", "labels"):
            (folder / kind / part).mkdir(parents=True)
        for index in range(count):
            (folder / "images" / part / f"{index:03d}.png").write_bytes(_picture(shade + 3 * index))
            (folder / "labels" / part / f"{index:03d}.txt").write_text(f"{index % 3} 0.5 0.5 0.25 0.5\n")
    (folder / _YAML).write_text(YAML)


def _spoilt(name: str, content: str | bytes) -> Prepare:
    return both(good, text(name, content))


def _without(part: str) -> Prepare:
    """The pictures or labels of a part are gone."""

    def remove(folder: Path) -> None:
        for path in (folder / part).iterdir():
            path.unlink()

    return both(good, remove)


def _link_to_nothing(folder: Path) -> None:
    (folder / _FIRST).unlink()
    (folder / _FIRST).symlink_to("nowhere.png")


def _folder_as_picture(folder: Path) -> None:
    (folder / _FIRST).unlink()
    (folder / _FIRST).mkdir()


def _all_alike(folder: Path) -> None:
    for path in (folder / "images" / "train").iterdir():
        path.write_bytes(_picture(7))


def _folder_as_label(folder: Path) -> None:
    (folder / _LABEL).unlink()
    (folder / _LABEL).mkdir()


_YAMLS: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "a-list": ("- a\n", "holds keys such as"),
    "not-yaml": ("train: [", "is not YAML"),
    "not-utf8": (YAML.replace("a,", "\xe9,").encode("latin-1"), "is not UTF-8 text"),
    "tab": ("train:\timages/train\nnames:\n\t0: a\n", "is not YAML"),
    "no-train": ("val: images/val\nnames: [a]\n", "the key `train:` is missing"),
    "no-val": ("train: images/train\nnames: [a]\n", "the key `val:` is missing"),
    "no-names": ("train: images/train\nval: images/val\n", "the key `names:` must list"),
    "names-text": ("train: images/train\nval: images/val\nnames: a,b,c\n", "the key `names:` must list"),
    "names-empty": ("train: images/train\nval: images/val\nnames: []\n", "the key `names:` must list"),
    "names-gap": ("train: images/train\nval: images/val\nnames: {0: a, 1: b, 3: c}\n", "must number the 3 classes"),
    "names-from-one": ("train: images/train\nval: images/val\nnames: {1: a, 2: b, 3: c}\n", "from 0 to 2"),
    "names-words": ("train: images/train\nval: images/val\nnames: {a: 0, b: 1}\n", "must be class numbers"),
    "names-twice": ("train: images/train\nval: images/val\nnames:\n  0: a\n  0: b\n", "stands twice"),
    "names-no": ("train: images/train\nval: images/val\nnames: [a, no, c]\n", "would be read as False"),
    "names-octal": ("train: images/train\nval: images/val\nnames: [a, 010, c]\n", "would be read as 8"),
    "names-null": ("train: images/train\nval: images/val\nnames: [a, null, c]\n", "would be read as None"),
    "names-nested": ("train: images/train\nval: images/val\nnames: [a, [b], c]\n", "a class name must be a text"),
    "nc-disagrees": (YAML + "nc: 80\n", "`nc: 80` and the 3 `names:` must agree"),
    "nc-text": (YAML + "nc: many\n", "`nc:` must be the number of classes"),
    "nc-nan": (YAML + "nc: .nan\n", "`nc:` must be the number of classes"),
    "nc-infinite": (YAML + "nc: .inf\n", "`nc:` must be the number of classes"),
    "nc-negative": ("train: images/train\nval: images/val\nnc: -3\n", "the key `names:` must list"),
    "nc-huge": ("train: images/train\nval: images/val\nnc: 1000000000\n", "`nc:` must be at most"),
    "channels": (YAML + "channels: 4\n", "`channels:` must be 3"),
    "key-points": (YAML + "kpt_shape: [17]\n", "`kpt_shape:` must be"),
    "path-number": (YAML + "path: 2024\n", "`path:` must be a folder"),
    "path-nowhere": (YAML + "path: /nowhere/at/all\n", "does not exist"),
    "path-nul": (YAML + 'path: "a\\0b"\n', "data.yaml"),
    "train-number": ("train: 3\nval: images/val\nnames: [a]\n", "`train:` must be a folder"),
    "train-mapping": ("train: {a: b}\nval: images/val\nnames: [a]\n", "`train:` must be a folder"),
    "train-nowhere": ("train: images/nowhere\nval: images/val\nnames: [a]\n", "does not exist"),
    "train-pattern": ("train: images/tr*\nval: images/val\nnames: [a]\n", "does not exist"),
    "train-nul": ('train: "a\\0b"\nval: images/val\nnames: [a]\n', "cannot be a path"),
    "train-url": ("train: https://example.org/a.zip\nval: images/val\nnames: [a]\n", "does not exist"),
    "train-is-a-picture": (f"train: {_FIRST}\nval: images/val\nnames: [a, b, c]\n", "as a list of pictures"),
    "train-is-labels": ("train: labels/train\nval: images/val\nnames: [a, b, c]\n", "holds no images"),
    "download-text": ("train: nowhere\nval: nowhere\nnames: [a]\ndownload: touch ran\n", "is never carried out"),
    "download-python": (
        'train: nowhere\nval: nowhere\nnames: [a]\ndownload: |\n  open("ran", "w")\n',
        "is never carried out",
    ),
    "download-url": ("train: x\nval: x\nnames: [a]\ndownload: https://example.org/a.zip\n", "is never carried out"),
    "python-object": (YAML + "x: !!python/object/apply:os.system [touch ran]\n", "has the tag"),
    "python-module": (YAML + "x: !!python/module:os\n", "is not YAML"),
    "key-twice": (YAML + "train: images/val\n", "stands twice"),
}

_LABELS: dict[str, tuple[str | bytes, str]] = {
    "three-numbers": ("0 0.5 0.5\n", "got 3 numbers"),
    "six-numbers": ("0 0.5 0.5 0.2 0.2 0.9\n", "got 6 numbers"),
    "words": ("car 0.5 0.5 0.2 0.2\n", "each line needs"),
    "commas": ("0,0.5,0.5,0.2,0.2\n", "each line needs"),
    "decimal-commas": ("0 0,5 0,5 0,2 0,2\n", "each line needs"),
    "class-beyond": ("3 0.5 0.5 0.2 0.2\n", "whole number from 0 to 2"),
    "class-negative": ("-1 0.5 0.5 0.2 0.2\n", "whole number from 0 to 2"),
    "class-fraction": ("0.5 0.5 0.5 0.2 0.2\n", "whole number from 0 to 2"),
    "pixels": ("0 16 16 8 8\n", "shares of the picture's width and height"),
    "negative-side": ("0 0.5 0.5 -0.2 0.2\n", "000.txt:1"),
    "nan": ("0 nan 0.5 0.2 0.2\n", "000.txt:1"),
    "infinite": ("0 0.5 0.5 inf 0.2\n", "000.txt:1"),
    "nan-class": ("nan 0.5 0.5 0.2 0.2\n", "000.txt:1"),
    "infinite-class": ("inf 0.5 0.5 0.2 0.2\n", "000.txt:1"),
    "mixed": ("0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5\n0 0.5 0.5 0.2 0.2\n", "is a polygon"),
    "second-line": ("0 0.5 0.5 0.2 0.2\n\n0 0.5 0.5 0.2\n", "000.txt:3"),
    "utf16": ("0 0.5 0.5 0.2 0.2\n".encode("utf-16"), "cannot read the label file"),
    "binary": (bytes(range(256)), "000.txt"),
}

_PICTURES: dict[str, tuple[str | bytes, str]] = {
    "empty": (b"", "000.png"),
    "text": ("no picture", "000.png"),
    "cut-short": (_picture(0)[:60], "000.png"),
    "web-page": ("<!doctype html><html>404</html>", "000.png"),
    "lfs-pointer": ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "000.png"),
    "header-alone": (_picture(0)[:33], "000.png"),
    "gif": (_picture(0, "GIF"), "000.png"),
}

CASES = (
    *(Case(f"data-{name}", PREVIEW, says, _spoilt(_YAML, content)) for name, (content, says) in _YAMLS.items()),
    *(Case(f"label-{name}", PREVIEW, says, _spoilt(_LABEL, content)) for name, (content, says) in _LABELS.items()),
    *(Case(f"picture-{name}", PREVIEW, says, _spoilt(_FIRST, content)) for name, (content, says) in _PICTURES.items()),
    Case("data-is-a-folder", ("data", "preview", "--data", "."), "is a folder; give the data YAML in it", good),
    Case("data-no-pictures", PREVIEW, "holds no images", _without("images/train")),
    Case("data-no-val-pictures", PREVIEW, "holds no images", _without("images/val")),
    Case("data-no-labels", PREVIEW, "have no labels", _without("labels/train")),
    Case("data-no-val-labels", PREVIEW, "have no labels", _without("labels/val")),
    Case("data-all-alike", PREVIEW, "at least 4 are needed", both(good, _all_alike)),
    Case(
        "data-list-of-nothing",
        PREVIEW,
        "holds no images",
        both(_spoilt(_YAML, YAML.replace("images/train", "list.txt")), text("list.txt", "\n\n")),
    ),
    Case(
        "data-list-of-the-missing",
        PREVIEW,
        "nowhere.png",
        both(
            _spoilt(_YAML, YAML.replace("images/train", "list.txt")), text("list.txt", "./images/train/nowhere.png\n")
        ),
    ),
    Case(
        "data-list-binary",
        PREVIEW,
        "as a list of pictures",
        both(_spoilt(_YAML, YAML.replace("images/train", "list.txt")), text("list.txt", bytes(range(256)))),
    ),
    Case("picture-link-to-nothing", PREVIEW, "a link to nothing", both(good, _link_to_nothing)),
    Case("picture-is-a-folder", PREVIEW, "is no file that can be read", both(good, _folder_as_picture)),
    Case("label-is-a-folder", PREVIEW, "000.txt", both(good, _folder_as_label)),
    Case("label-of-val", PREVIEW, "whole number from 0 to 2", _spoilt("labels/val/000.txt", "9 0.5 0.5 0.2 0.2\n")),
    Case("preview-onto-a-picture", (*PREVIEW, "--out", _FIRST), "is a picture of `train:`", good),
    Case("preview-into-nowhere", (*PREVIEW, "--out", "data.yaml/x.png"), "data.yaml", good),
    Case(
        "search-data-download",
        ("search", "--space", "ghostv2-n", "--workers", "0", "--data", _YAML),
        "is never carried out",
        _spoilt(_YAML, _YAMLS["download-python"][0]),
    ),
    Case(
        "search-label",
        ("search", "--space", "ghostv2-n", "--workers", "0", "--data", _YAML),
        "got 3 numbers",
        _spoilt(_LABEL, "0 0.5 0.5\n"),
    ),
    Case(
        "search-in-pictures",
        ("search", "--space", "ghostv2-n", "--workers", "0", "--data", _YAML, "--out", "images/train"),
        "choose another --out",
        good,
    ),
)
