"""benchmarks/inherit: what is left to train, and what the tables say of rows."""

from pathlib import Path

import pytest
from scipy.stats import kendalltau

from benchmarks.common.rows import Rows
from benchmarks.inherit.__main__ import left, main, parser
from benchmarks.inherit.arms import E1, RECIPE, SCRATCH, designs
from benchmarks.inherit.report import ranking, report, tau
from benchmarks.inherit.seeds import compared, seeds_table
from benchmarks.inherit.train import HEADER
from nas.architecture.key import from_key

ROOT = Path(__file__).parents[2]


def row(design: str, steps: int, **values: object) -> dict[str, str]:
    known = {"data": "bccd", "design": design, "family": "ghost", "held_out": "0", "arm": RECIPE.name, "seed": "0"}
    filled = dict.fromkeys(HEADER, "") | known | {"inherited": "1", "start_cpu_s": "7", "train_cpu_s": "30"}
    return filled | {"steps": str(steps)} | {name: str(value) for name, value in values.items()}


def ranked(truth: list[float], short: list[float]) -> list[dict[str, str]]:
    rows = []
    for number, (late, early) in enumerate(zip(truth, short, strict=True)):
        begin = {"start_val": early, "start_select": early, "select_s": 1}
        rows += [row(f"g{number}", 600, val=late, select=late, **begin)]
        rows += [row(f"g{number}", 60, val=early, select=early, **begin)]
    return rows


@pytest.mark.parametrize(
    ("short", "expected"), [([1, 2, 3, 4], "1.00"), ([4, 3, 2, 1], "-1.00"), ([2, 1, 4, 3], "0.33")]
)
def test_a_proxy_is_told_by_how_it_orders_the_long_trainings(short: list[float], expected: str) -> None:
    lines = ranking(ranked([0.1, 0.2, 0.3, 0.4], short))
    (found,) = (line for line in lines if "| 60 steps, selection part | all |" in line)
    assert f"| 4 | {expected} (" in found and found.endswith("| 37 |")


def test_the_interval_holds_the_estimate_and_is_the_same_twice() -> None:
    pairs = [(number, number * number % 7) for number in range(9)]
    assert tau(pairs) == tau(pairs) and float(tau(pairs)[:5]) == pytest.approx(
        kendalltau(*zip(*pairs, strict=True)).statistic, abs=0.005
    )
    assert "nan" not in tau([(1, 1), (1, 1), (1, 1)])


def test_scratch_rows_without_a_beginning_are_no_obstacle(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [*ranked([0.1, 0.2, 0.3], [1, 2, 3]), row("g0", 600, arm=SCRATCH.name, val=0.3, select=0.3, start_cpu_s="")]
    report(rows)
    assert "| g0 | scratch | 600 | 1 | 100% | - | 0.300 | - | 30 |" in capsys.readouterr().out


def test_what_is_trained_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    table = Rows(tmp_path / "rows.csv", HEADER, fresh=False)
    options = parser().parse_args(["run", "e2", "--source", "a.pt", "--data", "b.yaml", "--designs", "g0", "g1"])
    assert [(job.design, job.steps) for job, _ in left(options, table, "bccd")] == [
        ("g0", (60, 600)),
        ("g1", (60, 600)),
    ]
    table.add(row("g0", 60))
    table.add(row("g1", 60))
    table.add(row("g1", 600))
    assert [(job.design, job.steps) for job, _ in left(options, table, "bccd")] == [("g0", (600,))]
    assert len(list(left(options, table, "cards"))) == 2


def test_designs_and_arms_have_names_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    known = designs()
    assert all(from_key(one.key).key == one.key for one in known.values())
    assert len({one.key for one in known.values()}) == len(known) and len({arm.name for arm in E1}) == len(E1)
    main(["report", "--csv", "results/reference/inherit/trainings.csv"])


def finished(trial: str, meets: bool = True) -> dict[str, str]:
    return {"trial": trial, "meets_target": str(meets).lower()}


def test_a_search_is_compared_by_its_best_candidate_and_its_best_baseline_of_each_kind() -> None:
    rows = [
        finished("narrowed-160-8of16"),
        finished("7", meets=False),
        finished("12"),
        finished("3"),
        finished("narrowed-128-12of16"),
        finished("source-96"),
    ]
    assert [row["trial"] for row in compared(rows)] == ["12", "narrowed-160-8of16", "source-96"]


def test_a_lead_is_against_the_better_baseline_over_all_seeds() -> None:
    vals = {
        ("12", "candidate"): (0.5, 0.6),
        ("source-96", "source"): (0.4, 0.4),
        ("narrowed-1", "narrowed"): (0.5, 0.5),
        ("narrowed-2", "narrowed"): (0.9, 0.9),  # misses the target
    }
    same = {"data": "d", "run": "r", "steps": "9", "lr": "1", "target_ms": "2"} | dict.fromkeys(
        ("latency_ms", "latency_low_ms", "latency_high_ms"), "2"
    )
    rows = [same | {"label": label, "kind": kind, "val": str(v)} for (label, kind), both in vals.items() for v in both]
    rows = [row | ({"latency_high_ms": "2.1"} if row["label"] == "narrowed-2" else {}) for row in rows]
    found = {line.split(" | ")[2]: line for line in seeds_table(rows)[2:]}
    assert found["12"].endswith("| 2 | 0.550 (0.500 to 0.600) | +0.050 |")
    assert found["narrowed-2"].endswith("| +0.400 |")
    assert found["source-96"].endswith("| -0.100 |") and found["narrowed-1"].endswith("| +0.000 |")
