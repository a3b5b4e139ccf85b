"""Searches replayed on tables."""

import random
from pathlib import Path

import pytest

from benchmarks.search import quality
from benchmarks.search.table import Table, describe, read_table


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Width, kernel and kind, without some combinations; wider is better and slower, and one kind is worth more."""
    lines = ["width,kernel,kind,always,cheap,accuracy,latency_ms"]
    for width in range(8, 73, 8):
        for kernel in (3, 5, 7):
            for kind, worth in (("ghost", 0.1), ("plain", 0.0), ("mixed", 0.05)):
                if (width + kernel) % 4 != 1 or kind == "plain":
                    accuracy = width / 100 + worth + kernel / 1000
                    lines.append(f"{width},{kernel},{kind},1,{accuracy / 2},{accuracy},{width * kernel / 10}")
    path = tmp_path / "designs.csv"
    path.write_text("\n".join(lines))
    return read_table(path, "accuracy", "latency_ms", ["cheap"])


def test_a_table_is_a_space_of_its_rows(table: Table) -> None:
    assert [(one.name, len(one.choices), one.ordered) for one in table.dimensions] == [
        ("width", 9, True),
        ("kernel", 3, True),
        ("kind", 3, False),
    ]
    rng = random.Random(0)
    for _ in range(20):
        point = table.sample(rng)
        design = table.decode(point)
        assert table.point(design.row) == point
        near = table.decode(table.neighbour(point, rng))
        assert near.key != design.key
        assert sum(point[one] != table.point(near.row)[one] for one in point) == 1
    assert set(describe(table.decode(table.sample(rng))).choices) == {"width", "kernel", "kind"}


def test_what_is_not_in_the_table_is_its_nearest_row(table: Table) -> None:
    # Width 32 and kernel 5 are only there as plain ones.
    missing = {"width": 3, "kernel": 1, "kind": table.dimensions[2].choices.index("ghost")}
    found = table.point(table.decode(missing).row)
    assert sum(found[one] != missing[one] for one in found) == 1


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[pytest.mark.slow] * one.startswith("gpsampler")) for one in quality.SAMPLERS]
)
def test_a_search_that_sees_almost_everything_misses_nothing(
    table: Table, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = int((table.latency <= 11).sum())
    monkeypatch.setattr(quality, "AT", (3, meeting))
    monkeypatch.setattr(quality, "ASKED_AGAIN", 1)
    row = quality.search(table, 11.0, name, 0)
    assert float(str(row[f"missing@{meeting}"])) == float(str(row[f"regret@{meeting}"])) == 0
    assert float(str(row["missing@3"])) > 0


def test_rungs_promote_the_best_and_end_full(table: Table) -> None:
    replay = quality.Replay(table, 1e9)
    for row in range(50):
        replay.evaluate(row)
    assert replay.chosen() == int(table.accuracy[:50].argmax())


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text("a,accuracy\n1,2\n")
    with pytest.raises(SystemExit, match=r"no column latency_ms; it has a, accuracy"):
        read_table(path, "accuracy", "latency_ms")
