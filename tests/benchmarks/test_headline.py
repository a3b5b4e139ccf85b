"""benchmarks/headline: the mAP of resampled pictures, the nested bootstrap, and what the tables say of rows."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.common.rows import Rows
from benchmarks.headline import searches
from benchmarks.headline.arms import ARMS, FROM, GHOST, HAND, SCRATCH, spread
from benchmarks.headline.bootstrap import Difference, difference, nested, spreads
from benchmarks.headline.clock import Clock
from benchmarks.headline.designs import Design
from benchmarks.headline.finals import FIRST_SEED, HEADER, wanted
from benchmarks.headline.hand import Scaled, candidates
from benchmarks.headline.matches import Matches
from benchmarks.headline.plan import Plan
from benchmarks.headline.report import Tables, report
from nas.proxy import Matched, score_of

PICTURES = 24


def pictures(skill: float, seed: int, classes: int = 3) -> list[Matched]:
    """Made-up detections: the higher the skill, the more objects are found, at the more thresholds."""
    labels = np.random.default_rng(7)
    rng = np.random.default_rng(seed)
    made = []
    for number in range(PICTURES):
        truth = labels.integers(classes, size=0 if number == 3 else labels.integers(1, 9)).astype(np.float32)
        hit = truth[rng.random(len(truth)) < skill]
        reach = rng.integers(1, 11, size=len(hit))
        right = np.arange(10) < reach[:, None]
        wrong = rng.integers(4, 12)
        confidence = np.concatenate([rng.beta(4, 2, len(hit)), rng.beta(1.5, 4, wrong)]).astype(np.float32)
        kinds = np.concatenate([hit, rng.integers(classes, size=wrong)]).astype(np.float32)
        made.append(Matched(np.concatenate([right, np.zeros((wrong, 10), bool)]), confidence, kinds, truth))
    return made


def arm(skill: float, seeds: Sequence[Sequence[int]]) -> list[list[Matches]]:
    return [[Matches.of_pictures(pictures(skill, seed)) for seed in some] for some in seeds]


@pytest.mark.parametrize("skill", [0.0, 0.4, 0.9, 1.0])
def test_the_map_of_resampled_pictures_is_that_of_ultralytics(skill: float, tmp_path: Path) -> None:
    made = pictures(skill, 1)
    kept = Matches.of_pictures(made)
    kept.write(tmp_path / "one.npz")
    read = Matches.read(tmp_path / "one.npz")
    drawn = np.random.default_rng(0).multinomial(PICTURES, np.full(PICTURES, 1 / PICTURES), size=40)
    drawn[0] = 1
    expected = [score_of([one for one, times in zip(made, row, strict=True) for _ in range(times)]) for row in drawn]
    np.testing.assert_allclose(read.map50_95(drawn), [one.map50_95 for one in expected], atol=1e-9)


def test_a_class_that_a_draw_lacks_does_not_count() -> None:
    made = pictures(0.8, 2)
    drawn = np.zeros((1, PICTURES), dtype=np.int64)
    only = next(number for number, one in enumerate(made) if len(set(one.truth.tolist())) == 1)
    drawn[0, only] = 3
    expected = score_of([made[only]] * 3).map50_95
    assert Matches.of_pictures(made).map50_95(drawn)[0] == pytest.approx(expected)


def test_detections_without_effect_are_left_out() -> None:
    made = pictures(0.7, 3)
    kept = Matches.of_pictures(made)
    assert kept.right.any(axis=1).sum() == sum(one.right.any(axis=1).sum() for one in made)
    assert len(kept.kinds) < sum(len(one.kinds) for one in made)


SIX = [[1, 2], [3, 4], [5, 6]]


def test_a_real_difference_is_found_and_equal_arms_are_not_distinguishable() -> None:
    good, equal = arm(0.8, SIX), arm(0.5, [[31, 32], [33, 34], [35, 36]])
    found = spreads({"good": good, "hand": arm(0.5, [[21, 22, 23, 24, 25, 26]]), "equal": equal}, draws=500)
    assert difference(found["good"], found["hand"]).verdict == "better"
    assert difference(found["hand"], found["good"]).verdict == "worse"
    assert difference(found["equal"], found["hand"]).verdict == "not distinguishable"
    one = difference(found["good"], found["hand"])
    assert one.low < one.value < one.high
    assert one.value == pytest.approx(found["good"].mean - found["hand"].mean)


def test_an_arm_differs_from_itself_by_its_searches_and_seeds_alone() -> None:
    """The same trainings, one of each arm: the pictures cancel out."""
    same = arm(0.6, [[1]])
    found = spreads({"a": same, "b": same}, draws=50)
    assert difference(found["a"], found["b"]) == Difference(0.0, 0.0, 0.0)
    assert found["a"].draws.std() > 0


def test_draws_are_nested() -> None:
    """Scores that tell which search and training they are of, the same in every draw of pictures."""
    scored = [np.repeat(np.array([[0.0], [0.1]]), 4000, axis=1), np.repeat(np.array([[10.0], [10.3]]), 4000, axis=1)]
    found = nested(scored, np.random.default_rng(0))
    both, first, second = (found > 4) & (found < 6), found < 1, found > 9
    assert np.all(both | first | second)  # two searches are drawn, then trainings of these
    assert [some.mean() for some in (both, first, second)] == pytest.approx([0.5, 0.25, 0.25], abs=0.04)
    # Within a search its own trainings are drawn, anew for each time that it is drawn.
    assert set(np.round(found[first], 3)) == {0.0, 0.025, 0.05, 0.075, 0.1}
    assert found.mean() == pytest.approx(np.mean([0.05, 10.15]), abs=0.2)


def test_trainings_on_other_pictures_are_refused() -> None:
    fewer = [[Matches.of_pictures(pictures(0.5, 1)[:-1])]]
    with pytest.raises(ValueError, match="same pictures"):
        spreads({"a": arm(0.5, [[1]]), "b": fewer}, draws=2)


def test_finals_are_spread_over_the_winners() -> None:
    assert spread(6, [0, 1, 2]) == [0, 1, 2, 0, 1, 2]
    assert spread(2, [0, 1, 2]) == [0, 1, 2]
    assert spread(6, [0]) == [0] * 6


def test_the_first_training_of_every_design_comes_first() -> None:
    designs = [Design(FROM.name, search, f"f{search}", 64, "") for search in (0, 1)] + [
        Design(HAND.name, 0, "h", 64, "")
    ]
    plan = Plan.__new__(Plan)
    object.__setattr__(plan, "finals", None)
    todo = [(design.name, seed - FIRST_SEED) for design, seed in wanted(designs, plan)]
    assert todo[:3] == [("from-0", 0), ("from-1", 1), ("hand-0", 0)]
    assert todo[3:] == [
        ("from-0", 2),
        ("from-1", 3),
        ("from-0", 4),
        ("from-1", 5),
        *[("hand-0", n) for n in range(1, 6)],
    ]


def test_hand_scaling_takes_the_widest_that_meets_and_the_published_scale_first() -> None:
    asked: list[Scaled] = []

    def latency_ms(one: Scaled) -> float:
        asked.append(one)
        return one.depth * one.width**2 * (one.imgsz / 64) ** 2

    widths = [2.0, 1.5, 1.0, 0.75, 0.5, 0.25]
    found = list(candidates(["yolo11"], [256, 128, 64], lambda family, depth: widths, latency_ms, 4.1))
    at = {(one.depth, one.imgsz): one.width for one in found}
    assert at == {(1, 256): 0.5, (1, 128): 1.0, (1, 64): 2.0, (2, 256): 0.25, (2, 128): 0.5, (2, 64): 1.0}
    assert found[0] == Scaled("yolo11", 1.0, 1.0, 128)
    assert len(asked) < len(widths) * 6 / 2
    assert not list(candidates(["yolo11"], [64], lambda family, depth: widths, lambda one: 9.0, 4.1))


def test_a_clock_counts_all_parts_of_a_work(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "one.json")
    with clock.running():
        pass
    first = clock.seconds
    (tmp_path / "one.json").write_text('{"seconds": 40}')
    again = Clock(tmp_path / "one.json")
    assert 0 <= first < 40 == again.seconds
    with pytest.raises(KeyError), again.running():
        raise KeyError
    assert Clock(tmp_path / "one.json").seconds >= 40


def test_tables_of_another_comparison_are_refused(tmp_path: Path) -> None:
    plan = Plan.__new__(Plan)
    values = {"data": SimpleNamespace(digest="d"), "target_ms": 2.5, "steps": 9, "kept": tmp_path}
    for name, value in values.items():
        object.__setattr__(plan, name, value)
    found, finals = Rows(tmp_path / "s.csv", searches.HEADER, True), Rows(tmp_path / "f.csv", HEADER, True)
    found.add({"digest": "d", "target_ms": 2.5, "steps": 1200})
    finals.add({"digest": "d", "steps": 9})
    searches.check_same(plan, found, finals)
    finals.add({"digest": "d", "steps": 8})
    with pytest.raises(SystemExit, match=r"another comparison \(steps 8\)"):
        searches.check_same(plan, found, finals)
    found.add({"digest": "d", "target_ms": 3.0})
    with pytest.raises(SystemExit, match=r"another comparison \(target_ms 3.0\)"):
        searches.check_same(plan, found, finals)


def rows(name: str, scores: Sequence[float], latency_ms: float) -> tuple[dict[str, str], list[dict[str, str]]]:
    design = {"arm": name, "search": "0", "key": f"key of {name}", "target_ms": "2.5", "latency_ms": str(latency_ms)}
    meets = {"meets_target": str(latency_ms <= 2.5).lower(), "latency_high_ms": str(latency_ms)}
    finals = [{"data": "made", "arm": name, "search": "0", "steps": "9", "val": str(score)} for score in scores]
    return design | meets, finals


def test_the_tables_name_every_arm_and_every_pair_that_is_there() -> None:
    found = spreads({FROM.name: arm(0.8, SIX), HAND.name: arm(0.5, [[7, 8]]), SCRATCH.name: arm(0.5, SIX)}, draws=200)
    made = [rows(FROM.name, [0.5], 2.0), rows(SCRATCH.name, [0.4], 2.6), rows(HAND.name, [0.4], 2.5)]
    took = [{"arm": FROM.name, "seconds": seconds} for seconds in ("10", "30", "20")]
    tables = Tables(
        [one for one, _ in made],
        [row for _, some in made for row in some],
        took,
        [{"arm": HAND.name, "seconds": "19"}],
    )
    text = report(tables, found, "val")
    lines = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| (")}
    assert list(lines) == ["| (1)", "| (2)", "| (4)", "| (1) - (2)", "| (1) - (4)", "| (2) - (4)"]
    assert "| `key of from` | 0.80 | 20 | 1 |" in lines["| (1)"] and lines["| (1)"].endswith("| better |")
    assert lines["| (4)"].endswith("|  |  |") and "| 1.00 | 19 |" in lines["| (4)"]
    assert f"{100 * difference(found[FROM.name], found[HAND.name]).value:+.1f} (" in lines["| (1) - (4)"]
    assert "by the upper end of their intervals: scratch-0 (2.6 ms)" in text


def test_arms_have_names_and_numbers_of_their_own() -> None:
    assert len({one.name for one in ARMS}) == len({one.number for one in ARMS}) == len(ARMS)
    assert FROM.search_options(Path("/w/a.pt"), 9) == ["--from", "/w/a.pt", "--source-steps", "9"]
    assert GHOST.options is None
