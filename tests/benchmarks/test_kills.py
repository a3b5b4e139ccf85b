"""What the benchmark of kills counts, and what it kills next."""

from pathlib import Path

import pytest

from benchmarks.faults import outcome
from benchmarks.faults.kills import NOBODY, next_victim
from benchmarks.faults.outcome import Stored, Watched
from benchmarks.faults.victims import measured_now


class Search:
    """What a search has stored and begun."""

    def __init__(self) -> None:
        self.stored: Stored = {}
        self.calls: list[str] = []


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> Search:
    found = Search()
    monkeypatch.setattr(outcome, "stored", lambda _: found.stored)
    monkeypatch.setattr(outcome, "calls", lambda _: found.calls)
    monkeypatch.setattr(outcome, "_stored_twice", lambda _: 0)
    return found


def test_a_score_that_is_gone_or_changed_is_lost(search: Search, tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    search.stored = {"evaluate trial-0": 0.1, "evaluate trial-1": 0.2}
    assert watched.look() == 2 and watched.lost == 0
    search.stored = {"evaluate trial-0": 0.1, "evaluate trial-1": 0.3, "evaluate trial-2": 0.4}
    assert watched.look() == 3 and watched.lost == 1
    search.stored = {"evaluate trial-2": 0.4}
    watched.look()
    assert watched.lost == 2


def test_a_training_is_doubled_only_where_its_score_was_stored_before_it_began(search: Search, tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    search.calls = ["evaluate trial-0", "evaluate trial-1"]
    search.stored = {"evaluate trial-0": 0.1}
    watched.look()
    search.calls = [*search.calls, "evaluate trial-1", "promoted trial-0 20"]
    search.stored = {"evaluate trial-0": 0.1, "evaluate trial-1": 0.2}
    watched.look()
    assert watched.doubled == 0
    search.calls = [*search.calls, "evaluate trial-0"]
    watched.look()
    assert watched.doubled == 1


def test_what_was_killed_least_is_next() -> None:
    kills = [{"who": who} for who in ("driver", "worker", "driver", "agent")]
    assert next_victim(kills, ["driver", "worker", "raylet", "agent"]) == "raylet"
    assert next_victim(kills, ["driver", "worker", "agent"]) == "worker"
    assert next_victim([{"who": NOBODY}], ["driver", "worker"]) == "driver"


def test_a_design_is_measured_from_its_measurement_on_until_it_is_trained() -> None:
    assert measured_now([]) == set()
    assert measured_now(["measure trial-0", "measure trial-1", "evaluate trial-0"]) == {"trial-1"}
    assert measured_now(["measure trial-0", "measure trial-0", "evaluate trial-0", "promoted trial-0 20"]) == set()
