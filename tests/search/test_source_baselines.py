"""What a user makes of a checkpoint by hand: its own design at smaller sizes, and uniformly narrowed."""

from pathlib import Path

import pytest
import torch

from nas.architecture.architecture import Architecture
from nas.architecture.ultralytics_yaml import to_yaml
from nas.errors import ModelError
from nas.model.builder import build
from nas.search.scaled_baselines import Screen, Screened, can_be_built, scaled_baselines
from nas.search.source_baselines import scale_of, scale_of_source, source_baselines
from nas.space.reference_designs import yolo11
from nas.space.space import shipped_spaces


def cheaper_than(limit: float) -> Screen:
    """Work as the square of pixels times width, 1 for YOLO11n at 160 px."""

    def screen(design: Architecture) -> Screened:
        share = (design.imgsz / 160 * design.stages[3].width / 256) ** 2 / limit
        return Screened(share <= 1, share)

    return screen


@pytest.mark.parametrize(
    ("limit", "sizes", "expected"),
    [
        (1.0, (96, 128, 160), ["source-64", "source-96", "source-128", "source-160"]),
        (0.4, (160,), ["source-64", "source-96", "narrowed-128-12of16", "narrowed-160-10of16"]),
        (0.4, (128, 320), ["source-64", "source-96", *(f"narrowed-{px}-{w}of16" for px, w in
            ((128, 12), (160, 10), (192, 8), (224, 7), (256, 6), (288, 5), (320, 5)))]),
        (0.02, (96, 640), ["narrowed-64-5of16"]),  # of larger sizes not even a quarter of the width meets it
        (1.0, (48,), ["source-48"]),
    ],
)  # fmt: skip
def test_at_every_size_the_widest_that_meets(limit: float, sizes: tuple[int, ...], expected: list[str]) -> None:
    screen = cheaper_than(limit)
    found = source_baselines("n", sizes, screen)
    assert list(found) == expected

    def meets(design: Architecture) -> bool:
        return screen(design).meets

    assert all(meets(design) for design in found.values())
    for label, design in found.items():
        imgsz, width = int(label.split("-")[1]), label.partition("of")[0].split("-")[-1]
        assert design.imgsz == imgsz
        if label.startswith("narrowed") and width != "15":
            assert not meets(yolo11("n", imgsz, (int(width) + 1) / 16))


@pytest.mark.parametrize(
    ("limit", "sizes", "expected"),
    [
        (0.4, (160, 192), ["yolo11n-96", "yolo11n-160-10of16", "yolo11n-192-8of16"]),
        (1.0, (128, 160, 192), ["yolo11n-160", "yolo11n-192-13of16"]),
        (1.0, (160,), ["yolo11s-64", "yolo11s-160-8of16"]),  # YOLO11n itself meets it at the largest size
        (0.02, (96, 640), []),
        (99.0, (96, 128), ["yolo11m-128"]),
    ],
)
def test_by_hand_at_every_size_and_the_full_width_once(
    limit: float, sizes: tuple[int, ...], expected: list[str]
) -> None:
    screened: list[Architecture] = []

    def screen(design: Architecture) -> Screened:
        screened.append(design)
        return cheaper_than(limit)(design)

    found = scaled_baselines(sizes, screen)
    assert list(found) == expected and all(cheaper_than(limit)(design).meets for design in found.values())
    assert len(screened) <= 4 * (len(sizes) + 1)


def test_one_disturbed_screening_costs_one_step() -> None:
    quiet = cheaper_than(0.4)
    for disturbed in ("yolo11n-160-10of16", "yolo11n-160-9of16", "yolo11n-160-11of16"):
        slow = yolo11("n", 160, int(disturbed.split("-")[-1].partition("of")[0]) / 16)
        found = scaled_baselines(
            (160,), lambda design, slow=slow: Screened(False, 9.0) if design == slow else quiet(design)
        )
        widths = [int(label.split("-")[-1].partition("of")[0]) for label in found if "of16" in label]
        assert widths and widths[0] >= 9 - (disturbed.endswith("-9of16"))


def test_where_nothing_meets_there_is_one_to_compare_with() -> None:
    assert source_baselines("n", (96,), lambda design: Screened(False, 9.0)) == {
        "narrowed-64-4of16": yolo11("n", 64, 0.25)
    }


@pytest.mark.parametrize("scale", ["n", "s"])
def test_a_source_is_known_whatever_its_classes(scale: str) -> None:
    stock = f"yolo11{scale}.yaml"  # 80 classes, whose branch is wider
    from nas.model.builder import load_model

    assert scale_of(load_model(stock), stock) == scale
    assert scale_of(build(to_yaml(yolo11(scale, 320), 3), seed=0), stock) == scale


def test_another_detector_is_refused() -> None:
    with pytest.raises(ModelError, match=r"mine\.pt: a search starts from YOLO11 n, s or m.*other widths"):
        scale_of(build(to_yaml(yolo11("n", 64, 0.5), 3), seed=0), "mine.pt")


@pytest.mark.parametrize("scale", ["n", "s"])
def test_a_checkpoints_space_is_its_own_layout_narrowed(tmp_path: Path, scale: str) -> None:
    path = tmp_path / "mine.pt"
    torch.save({"model": build(to_yaml(yolo11(scale, 64), 2), seed=0)}, path)
    assert scale_of_source(path) == scale
    assert f"narrowed-{scale}" in shipped_spaces()


def test_widths_that_no_attention_splits_are_no_baselines() -> None:
    """At 13 and 14 sixteenths YOLO11s would have three heads of 69 and 75 channels and a remainder."""
    found = source_baselines(
        "s", (320,), lambda design: Screened(design.stages[3].width <= 448, design.stages[3].width / 448)
    )
    assert found and all(can_be_built(design) for design in found.values())
    assert {label.rpartition("-")[2] for label in found} == {"12of16"}
    build(to_yaml(yolo11("s", 64, 0.75), 1), seed=0)
    with pytest.raises(ModelError, match="cannot be built"):
        build(to_yaml(yolo11("s", 64, 0.8125), 1), seed=0)
