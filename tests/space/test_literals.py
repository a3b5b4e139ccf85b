"""The shipped literals are what they say, and are found in the spaces that hold them."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nas.errors import ModelError
from nas.model.builder import build, load_model
from nas.model.complexity import complexity_of
from nas.space.literals import points, read_literal, shipped_literals
from nas.space.reference_designs import yolo11
from nas.space.space import load_space

ROOT = Path(__file__).parents[2]
SHIPPED = shipped_literals()


def with_classes(name: str, nc: int) -> str:
    return SHIPPED[name].path.read_text().replace("nc: 80", f"nc: {nc}")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name.endswith("-m") else []) for name in SHIPPED]
)
def test_each_builds_and_says_what_it_is(name: str) -> None:
    literal = SHIPPED[name]
    assert literal.description and literal.path.stem == name
    assert literal.path.read_text().startswith(f"# {name}: ")
    assert build(literal.path.read_text()).stride.tolist() == load_model(literal.path).stride.tolist()


@pytest.mark.slow
def test_the_write_ups_row_has_its_counts_beside_yolo11m() -> None:
    # By ultralytics-thop 2.0.14 itself, which Ultralytics 8.3 used: 47.148521 and 67.649997.
    ours = complexity_of(load_model(SHIPPED["writeup-ghostnetv2-m"].path), 640)
    stock = complexity_of(build(with_classes("yolo11-m", 1)), 640)
    assert ours.params == 18_998_323 and abs(ours.params / 1e6 - 19.0) <= 0.05
    assert abs(ours.gflops_8_3 - 47.2) <= 0.1 and ours.gflops_8_3 == pytest.approx(47.1485, abs=5e-5)
    assert stock.params == 20_030_803 and stock.gflops_8_3 == pytest.approx(67.65, abs=5e-5)
    assert (ours.gflops, stock.gflops) == (pytest.approx(47.29, abs=0.005), pytest.approx(67.76, abs=0.005))
    # Fewer operations, more memory traffic.
    assert stock.activations == pytest.approx(67.9e6, rel=1e-3)
    assert ours.activations == pytest.approx(91.9e6, rel=1e-3)


@pytest.mark.parametrize("scale", ["n", "s", "m"])
def test_the_yolo11_literals_are_yolo11(scale: str) -> None:
    ours, stock = load_model(SHIPPED[f"yolo11-{scale}"].path), load_model(f"yolo11{scale}.yaml")
    shapes = [{n: tuple(p.shape) for n, p in model.named_parameters()} for model in (ours, stock)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(("name", "params"), [("ghostnetv2-1.0x", 3_645_828), ("ghostnetv2-1.3x", None)])
def test_the_paper_backbones_have_the_papers_count(name: str, params: int | None) -> None:
    rows = load_model(SHIPPED[name].path).model[:17]  # stem and sixteen bottlenecks
    found = sum(p.numel() for p in rows.parameters())
    # Of the published 1.0x without its classifier, the last 1x1 (160 to 960, with BatchNorm) is not in a detector.
    assert params is None or found == params - (160 * 960 + 2 * 960)


def test_every_rival_stands_at_n_and_m_scale() -> None:
    names = {name.rsplit("-", 1)[0] for name in SHIPPED if name.endswith("-m")} - {"writeup-ghostnetv2"}
    assert {f"{name}-n" for name in names} <= set(SHIPPED)
    assert names >= {"yolo11", "ghostnet", "ghostnetv2", "ghostnetv3", "mobilenetv3", "lcnet", "efficientnetv2"}
    assert names >= {"vanillanet", "mbconv-head", "slim-neck", "afpn"}


def test_literals_are_points_of_the_spaces_that_hold_them() -> None:
    space = load_space("mixed-n")
    found = points(space, SHIPPED.values())
    assert set(found) >= {name for name in SHIPPED if name.endswith("-n")}
    for designs in found.values():
        assert [design.imgsz for design in designs] == sorted(space.choices["imgsz"], reverse=True)
        assert all(space.decode(space.encode(design) or {}) == design for design in designs)
    assert "ghostnetv2-1.0x" not in found and "yolo11-m" not in found
    assert "writeup-ghostnetv2-m" in points(load_space("ghostv2-m"), SHIPPED.values())


def test_an_edited_literal_is_not_taken_for_its_key(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    text = SHIPPED["yolo11-n"].path.read_text()
    path.write_text(text.replace("Conv, [16, 3, 2]", "Conv, [24, 3, 2]"))
    with pytest.raises(ModelError, match="rows are not those of its key"):
        read_literal(path)
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "# key" not in line))
    assert read_literal(path).architecture is None
    path.write_text(text.replace("nc: 80", "nc: 3"))
    assert read_literal(path).architecture == yolo11("n", 640)


def test_seeds_are_tried_at_the_largest_size_that_meets() -> None:
    designs = points(load_space("ghostv2-n"), [SHIPPED["yolo11-n"]])["yolo11-n"]
    assert designs == tuple(replace(yolo11("n", 640), imgsz=size) for size in (160, 128, 96))


def ghostnas(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nas", *args],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "160", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_they_are_listed() -> None:
    done = ghostnas("space", "literals")
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in SHIPPED) and "mixed-n" in done.stdout


@pytest.mark.slow
def test_the_table_counts(tmp_path: Path) -> None:
    done = ghostnas("space", "table", "lcnet-n", "--runtime", "none", "--imgsz", "320")
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert [row.split("|")[1].strip() for row in rows[2:]] == ["yolo11-n", "lcnet-n"]
    counted = complexity_of(build(with_classes("yolo11-n", 1)), 320)
    assert f"{counted.params:,}" in rows[2] and f"{counted.gflops:.2f}" in rows[2]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("table", "lcnet"), "'lcnet' is no literal; did you mean 'lcnet-"),
        (("table", "--imgsz", "100"), "--imgsz must be multiples of 32"),
        (("table", "--classes", "0"), "--classes must be 1 or more, got 0"),
        (("table", "--runtime", "tflite"), "tflite"),
    ],
)
def test_bad_input_is_one_message(args: tuple[str, ...], message: str) -> None:
    done = ghostnas("space", *args)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
