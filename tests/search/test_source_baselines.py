"""What a user makes of a checkpoint by hand: its own design at smaller sizes, and uniformly narrowed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nas.architecture.architecture import Architecture
from nas.architecture.ultralytics_yaml import to_yaml
from nas.errors import ModelError
from nas.model.builder import build
from nas.search.source_baselines import can_be_built, scale_of, scale_of_source, source_baselines
from nas.space.reference_designs import yolo11
from nas.space.space import shipped_spaces


def cheaper_than(limit: float) -> Callable[[Architecture], bool]:
    """Work as the square of pixels times width, 1 for YOLO11n at 160 px."""
    return lambda design: (design.imgsz / 160 * design.stages[3].width / 256) ** 2 <= limit


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
    meets = cheaper_than(limit)
    found = source_baselines("n", sizes, meets)
    assert list(found) == expected
    assert all(meets(design) for design in found.values())
    for label, design in found.items():
        imgsz, width = int(label.split("-")[1]), label.partition("of")[0].split("-")[-1]
        assert design.imgsz == imgsz
        if label.startswith("narrowed") and width != "15":
            assert not meets(yolo11("n", imgsz, (int(width) + 1) / 16))


def test_where_nothing_meets_there_is_one_to_compare_with() -> None:
    assert source_baselines("n", (96,), lambda design: False) == {"narrowed-64-4of16": yolo11("n", 64, 0.25)}


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
    found = source_baselines("s", (320,), lambda design: design.stages[3].width <= 448)
    assert found and all(can_be_built(design) for design in found.values())
    assert {label.rpartition("-")[2] for label in found} == {"12of16"}
    build(to_yaml(yolo11("s", 64, 0.75), 1), seed=0)
    with pytest.raises(ModelError, match="cannot be built"):
        build(to_yaml(yolo11("s", 64, 0.8125), 1), seed=0)
