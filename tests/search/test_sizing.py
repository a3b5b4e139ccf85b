"""`--space auto`: the space and the input sizes of which some designs meet the target and others miss it."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nas.architecture import Architecture
from nas.errors import SpaceError, StudyError
from nas.search import plan
from nas.search.request import space_choice
from nas.search.sizing import LARGEST_PX, SMALLEST_PX, AutoSpace, sized
from nas.space.space import load_space
from nas.study import AUTO, storage_of
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy

YOLO11_MS = {16: 1.0, 32: 2.5, 64: 7.0}  # by the width of the stem: scales n, s and m
OURS = 5.24
"""YOLO11n at 160 px on two cores of an AMD EPYC, ms."""


def device(at_160_ms: float, seen: list[Architecture] | None = None) -> Callable[[Architecture], float]:
    """Latencies that grow somewhat slower than the pixels, as they do."""

    def measure(design: Architecture) -> float:
        if seen is not None:
            seen.append(design)
        return float(at_160_ms * YOLO11_MS[design.stem_width] * (design.imgsz / 160) ** 1.8)

    return measure


@pytest.mark.parametrize(
    ("target_ms", "pictures_px", "space", "sizes"),
    [
        (2.5, 640, "ghostv2-n", (128, 160, 192)),
        (1.25, 640, "ghostv2-n", (64, 96, 128)),  # the same on a processor half as fast
        (5.0, 640, "ghostv2-n", (192, 224, 256)),  # and twice as fast
        (0.1, 640, "ghostv2-n", (64, 96)),  # below what anything reaches: the smallest
        (30.0, 640, "ghostv2-s", (320, 384, 448)),  # -n would need more than 640 px
        (10.0, 320, "ghostv2-s", (192, 224, 256)),  # so many pixels the pictures do not have
        (1000.0, 640, "ghostv2-m", (448, 544, 640)),  # anything meets it: the largest
        (1000.0, 100, "ghostv2-m", (64, 96)),
    ],
)
def test_sizes_lie_around_where_designs_cross_the_target(
    target_ms: float, pictures_px: int, space: str, sizes: tuple[int, ...]
) -> None:
    seen: list[Architecture] = []
    found, why = sized(AutoSpace("ghostv2"), target_ms, pictures_px, device(OURS, seen))
    assert (found.name, found.choices["imgsz"]) == (space, sizes)
    assert len({(one.stem_width, one.imgsz) for one in seen}) == len(seen) <= 10  # nothing twice
    assert why.startswith(f"YOLO11{space[-1]} takes ") and " ms at " in why


def test_only_the_scale_of_the_source_is_taken() -> None:
    found, _ = sized(AutoSpace("narrowed", "s"), 2.5, 640, device(OURS))
    assert (found.name, found.choices["imgsz"]) == ("narrowed-s", (64, 96, 128))
    found, _ = sized(AutoSpace("narrowed", "n"), 500.0, 640, device(OURS))
    assert (found.name, found.choices["imgsz"]) == ("narrowed-n", (448, 544, 640))


@pytest.mark.parametrize(
    ("target_ms", "imgsz", "space", "measured"),
    [
        (2.5, (96, 128, 160), "ghostv2-n", 2),
        (1.0, (128,), "ghostv2-n", 1),
        (5.0, (160,), "ghostv2-s", 2),
        (30.0, (160,), "ghostv2-m", 3),
        (30.0, (512, 640), "ghostv2-n", 1),
    ],
)
def test_where_the_sizes_are_given_the_scale_follows_from_the_target(
    target_ms: float, imgsz: tuple[int, ...], space: str, measured: int
) -> None:
    seen: list[Architecture] = []
    auto = AutoSpace("ghostv2", imgsz=imgsz)
    found, why = sized(auto, target_ms, 640, device(OURS, seen))
    assert (found.name, found.choices["imgsz"], len(seen)) == (space, imgsz, measured)
    assert f"YOLO11{space[-1]} takes " in why
    assert auto.least.name == "ghostv2-n" and auto.least.choices["imgsz"] == imgsz


def test_sizes_that_no_space_has_are_refused_before_anything_is_measured() -> None:
    with pytest.raises(SpaceError, match="multiple of 32; got 100"):
        AutoSpace("ghostv2", imgsz=(100,)).least  # noqa: B018


@pytest.mark.parametrize("slower", [0.25, 0.5, 1, 2, 4])
@pytest.mark.parametrize("target_ms", [0.5, 2.5, 10, 30])
def test_the_sizes_are_in_order_and_multiples_of_32(slower: float, target_ms: float) -> None:
    found, _ = sized(AutoSpace("ghostv2"), target_ms, 640, device(slower * OURS))
    sizes = found.choices["imgsz"]
    assert list(sizes) == sorted(set(sizes)) and all(size % 32 == 0 for size in sizes)
    assert sizes[0] >= SMALLEST_PX and sizes[-1] <= LARGEST_PX and 2 <= len(sizes) <= 3


def test_what_was_chosen_is_kept_and_not_chosen_again(
    tmp_path: Path, settings: SearchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    here: Any = SimpleNamespace(choosing=lambda: chosen.append("said"))
    request: Any = SimpleNamespace(space=AutoSpace("ghostv2"))
    chosen: list[str] = []
    space = load_space("ghostv2-n").with_imgsz([64, 96])
    monkeypatch.setattr(plan, "chosen_space", lambda *_: (space, "YOLO11n takes 1 ms at 64 px"))
    asked = replace(settings, space=AUTO)
    folder = tmp_path / "study"

    found = plan.settled_space(request, None, storage_of(folder), None, here)  # type: ignore[arg-type]
    assert found == (space, space_choice(space, "YOLO11n takes 1 ms at 64 px")) and chosen == ["said"]
    study = StoredStudy(folder, asked, {})
    study.close()
    plan.settled_space(request, None, storage_of(folder), None, here)  # type: ignore[arg-type]
    assert chosen == ["said", "said"]  # killed before it was kept
    study = StoredStudy(folder, asked, {})
    study.keep("space", asdict(found[1]))
    assert plan.settled_space(request, None, storage_of(folder), None, here) == found  # type: ignore[arg-type]
    assert chosen == ["said", "said"]
    study.keep("space", {**asdict(found[1]), "space_digest": "another"})
    study.close()
    with pytest.raises(StudyError, match=r"begun with the space ghostv2-n of another version.*--name of its own"):
        plan.settled_space(request, None, storage_of(folder), None, here)  # type: ignore[arg-type]
