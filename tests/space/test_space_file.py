"""What is wrong with a file: file, line, key, rule, value and the nearest right thing, all at once."""

import re
from pathlib import Path

import pytest

from nas.errors import SpaceError
from nas.space.space import load_space, shipped_spaces

LINES = (
    "imgsz: [96, 128]",  # 1
    "activation: [silu, relu]",  # 2
    "stem_width: 16",  # 3
    "stages:",  # 4
    "  P2: {block: [c3k2, ghost], width: [16, 32], depth: 1}",  # 5
    "  P3:",  # 6
    "    block: ghost",  # 7
    "    width: [32, 64]",  # 8
    "    depth: [1, 2]",  # 9
    "    dfc_kernel: [0, 5]",  # 10
    "    expansion: [1, 2]",  # 11
    "    se: [false, true]",  # 12
    "    dfc_pool: [1, 2]",  # 13
    "  P4: {block: c3k2, width: 64, depth: 1}",  # 14
    "  P5: {block: c3k2, width: 128, depth: 1, downsample: ghost}",  # 15
    "neck_width: 32",  # 16
    "box_width: 16",  # 17
    "cls_width: 16",  # 18
    "reg_max: 4",  # 19
)

BAD = [
    (10, "    dfc_kernal: [0, 5]", "10: `stages.P3.dfc_kernal` .*did you mean 'dfc_kernel'"),
    (10, "    dfc_kernel: [0, 4]", "10: `stages.P3.dfc_kernel` must be odd, or 0 .*; got 4 .write 3 or 5"),
    (10, "    dfc_kernel: -3", "10: `stages.P3.dfc_kernel` must be odd.*; got -3"),
    (
        8,
        "    width: [32, 60]",
        "8: `stages.P3.width` must be a multiple of 8; got 60 .the nearest is 56 or 64",
    ),
    (8, "    width: [64, 32]", r"8: `stages.P3.width` .*increasing order; got \[64, 32\] .write \[32, 64\]"),
    (8, "    width: []", "8: `stages.P3.width` needs at least one choice"),
    (8, "    width: 0", "8: `stages.P3.width` must be a multiple of 8; got 0 .the nearest is 8"),
    (8, "    width: '64'", "8: `stages.P3.width` must be a whole number; got '64'"),
    (8, "    width: {a: 1}", "8: `stages.P3.width` must be a whole number"),
    (9, "    depth: [1, 1]", r"9: `stages.P3.depth` must not list a choice twice .1.; .*write \[1\]"),
    (9, "    depth: 0", "9: `stages.P3.depth` must be 1 or more; got 0"),
    (9, "    depth: 1.5", "9: `stages.P3.depth` must be a whole number; got 1.5"),
    (9, "    depth: 1\n    depth: 2", "10: `stages.P3.depth` stands twice, in lines 9 and 10"),
    (
        7,
        "    block: gost",
        "7: `stages.P3.block` must be one of c3k2, ghost, .*, vanilla; got gost; did you mean 'ghost'",
    ),
    (11, "    expansion: .nan", "11: `stages.P3.expansion` must be a number; got nan"),
    (11, "    expansion: 0", "11: `stages.P3.expansion` must be above 0"),
    (
        11,
        "    expansion: [1, 1.01]",
        "11: `stages.P3.expansion` must list choices that differ; 1 and 1.01 both make 32",
    ),
    (12, "    se: maybe", "12: `stages.P3.se` must be true or false; got 'maybe'"),
    (
        13,
        "    dfc_pool: [1, 16]",
        "13: `stages.P3.dfc_pool` must not exceed the stage's map, 12x12 at imgsz 96; got 16",
    ),
    (1, "imgsz: [100]", "1: `imgsz` must be a multiple of 32; got 100 .the nearest is 96 or 128"),
    (
        2,
        "activation: sillu",
        "2: `activation` must be one of silu, relu, hardswish; got sillu; did you mean 'silu'",
    ),
    (
        15,
        "  P5: {block: c3k2, width: 448, depth: 1}",
        "15: `stages.P5.width` .*C2PSA.* got 448 .*432 and 456",
    ),
    (
        15,
        "  P6: {block: c3k2}",
        "15: `stages.P6` is not a key of a search space; did you mean 'P2'|4: `stages.P5` is",
    ),
    (15, "  P5: 3", "15: `stages.P5` must hold the keys block, width"),
    (16, "neck_width: 520", "16: `neck_width` must be 512 or less, the neck's cap on every level; got 520"),
    (16, "neck_with: 32", "16: `neck_with` is not a key of a search space; did you mean 'neck_width'"),
    (19, "reg_max: 4\nneck: 32", "20: `neck` must be one of pan, slim, afpn; got 32"),
    (19, "reg_max: 4\nneck: [pan, slim]\nc3k: [deep, all]", "21: `c3k` must be one value where a neck other than pan"),
    (9, "    depth: 1\n    ratio: 1", "10: `stages.P3.ratio` must be 2 or more"),
    (9, "    depth: 1\n    kernel: 4", "10: `stages.P3.kernel` must be odd and 3 or more; got 4 .write 3 or 5"),
    (16, "# nothing", "1: `neck_width` is missing; give it one value or a list of choices"),
    (19, "reg_max: [1, 1]", "19: `reg_max` must not list a choice twice"),
    (19, "reg_max: 4\nname: a/b", "20: `name` must consist of letters"),
]

NOT_YAML = [
    ("", "1: the file is empty"),
    ("imgsz: [96", "1: the file is not YAML"),
    ("imgsz: 96\n\tstages: 3", "2: the file is not YAML"),
    ("hello", "1: a search space holds keys"),
    ("- 1", "1: a search space holds keys"),
    ("a: 1\n---\nb: 2", "2: the file is not YAML"),
    ("&a [*a]", "nested deeper"),
    ("[" * 5000, "the file is not YAML"),
    ("\0", "the file is not YAML"),
    ("x: 2026-13-45", "the file is not YAML: month"),
    ("[a, b]: 1", "1: the file has a list or a mapping where a key should stand"),
    ("!!python/object:os.system x", "the file is not YAML"),
]


def error_of(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpaceError) as caught:
        load_space(str(path))
    return str(caught.value)


def with_line(number: int, line: str) -> str:
    return "\n".join((*LINES[: number - 1], line, *LINES[number:]))


def test_the_base_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "base.yaml"
    path.write_text("\n".join(LINES))
    space = load_space(str(path))
    assert (space.name, space.source) == ("base", path)
    assert space.choices["P2.expansion"] == (1.0,) and space.choices["c3k"] == ("deep",)


@pytest.mark.parametrize(("number", "line", "message"), BAD, ids=[line.strip() for _, line, _ in BAD])
def test_a_broken_rule(tmp_path: Path, number: int, line: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    text = error_of(path, with_line(number, line))
    assert re.search(rf"(?m)^{re.escape(str(path))}:({message})", text), text


@pytest.mark.parametrize(("text", "message"), NOT_YAML)
def test_not_a_search_space(tmp_path: Path, text: str, message: str) -> None:
    assert message in error_of(tmp_path / "bad.yaml", text)


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    lines = list(LINES)
    lines[9], lines[7], lines[15] = "    dfc_kernal: 5", "    width: 60", "neck_width: 12"
    found = error_of(tmp_path / "bad.yaml", "\n".join(lines)).splitlines()
    assert found.pop(0) == "3 problems in a search space:"
    assert [line.split("`")[1] for line in found] == ["stages.P3.width", "stages.P3.dfc_kernal", "neck_width"]


def test_a_choice_in_a_block_list_has_its_own_line(tmp_path: Path) -> None:
    text = with_line(10, "    dfc_kernel:\n      - 0\n      - 4")
    assert "bad.yaml:12: `stages.P3.dfc_kernel`" in error_of(tmp_path / "bad.yaml", text)


def test_stages_can_be_shared_by_anchor(tmp_path: Path) -> None:
    text = with_line(6, "  P3: &stage").replace(LINES[13], "  P4:\n    <<: *stage\n    width: [64, 96]")
    path = tmp_path / "merged.yaml"
    path.write_text(text)
    choices = load_space(str(path)).choices
    assert choices["P4.width"] == (64, 96) and choices["P4.dfc_kernel"] == choices["P3.dfc_kernel"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x80")
    with pytest.raises(SpaceError, match="not UTF-8"):
        load_space(str(binary))


@pytest.mark.parametrize("name", ["ghostv2n", "search_spaces/ghostv2-nn.yaml", "GhostV2-N"])
def test_a_misspelt_name_suggests_the_nearest(name: str) -> None:
    with pytest.raises(SpaceError, match="did you mean 'ghostv2-n'"):
        load_space(name)


@pytest.mark.parametrize("name", ["nowhere.yaml", ".", "", "~nobody-of-that-name/a.yaml", "a\0b", "x" * 5000])
def test_a_missing_file_lists_the_shipped_spaces(name: str) -> None:
    every = "ghostv2-m, ghostv2-n, ghostv2-n-wide, ghostv2-s, mixed-n, mixed-s, narrowed-m, narrowed-n, narrowed-s"
    with pytest.raises(SpaceError, match=every):
        load_space(name)


def test_every_shipped_file_validates() -> None:
    for name in shipped_spaces():
        assert load_space(name).name == name and load_space(name).description
