"""Which finalist is best, and what the front is after fresh measurements."""

from dataclasses import replace
from pathlib import Path

import pytest

from nas import finals
from nas.campaign import Campaign
from nas.evaluate import Task
from nas.executors import inline
from nas.finals import Final, Finalist, choose_best, conclude
from nas.literals import yolo11
from nas.pareto import front_indices
from nas.proxy import Score
from nas.report import Outcome, gain_sentence, write
from nas.settings import SearchSettings
from nas.space import SearchSpace
from nas.study import Record, StoredStudy
from tests.search.conftest import formula


@pytest.fixture
def study(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int]
) -> StoredStudy:
    study = StoredStudy(tmp_path, settings, sizes)
    baselines = {"yolo11n": yolo11("n", 160), "yolo11-scaled": yolo11("n", 96, 0.25)}
    inline.run(Campaign(study, space, sampler="random", seed=0, budget=12, baselines=baselines), task, formula)
    for record in [*study.records(), *study.baselines()]:
        (tmp_path / "models").mkdir(exist_ok=True)
        (tmp_path / "models" / f"{record.label}.yaml").write_text("nc: 6\n")
    return study


def slower(factor: float) -> object:
    def final(record: Record, task: Task) -> Final:
        assert record.evaluation is not None and record.evaluation.score is not None
        latency = record.evaluation.latency
        # Every other finalist turns out slower than its screening said.
        by = factor if record.number % 2 else 1.0
        fresh = replace(latency, latency_ms=latency.latency_ms * by, high_ms=latency.high_ms * by, level="finalist")
        return Final(fresh, Score(record.evaluation.score.map50_95 / 2, 0.3))

    return final


def test_the_front_holds_by_its_own_fresh_numbers(
    study: StoredStudy, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finals, "_final", slower(1.3))
    front, baselines = conclude(study, task)
    points = [(f.final.latency.latency_ms, f.score.map50_95) for f in front]
    assert sorted(front_indices(points)) == list(range(len(points)))
    for record in study.records():
        if record.status == "trained" and record.evaluation and record.evaluation.score:
            latency, accuracy = record.evaluation.latency.latency_ms, record.evaluation.score.map50_95
            if record.label not in {f.record.label for f in front}:
                assert any(m <= latency * 1.31 and a >= accuracy for m, a in points)
    assert [b.record.label for b in baselines] == ["yolo11n", "yolo11-scaled"]
    assert not baselines[0].meets_target and baselines[1].meets_target

    def never(record: Record, task: Task) -> Final:
        raise AssertionError("a kept final was measured again")

    monkeypatch.setattr(finals, "_final", never)
    assert conclude(study, task) == (front, baselines)
    study.close()


def test_a_baseline_is_best_when_it_is_ahead(
    study: StoredStudy, task: Task, settings: SearchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finals, "_final", slower(1.0))
    front, baselines = conclude(study, task)

    def outcome(front: list[Finalist], baselines: list[Finalist]) -> Outcome:
        sizes = {"train": 8, "select": 2, "val": 2}
        return Outcome(
            study.folder,
            settings,
            12,
            study.records(),
            study.baselines(),
            front,
            baselines,
            0.5,
            9.0,
            "budget",
            1.0,
            sizes,
            {},
            None,
        )

    usual = outcome(front, baselines)
    best = usual.best
    assert best is not None and not best.record.baseline and best.meets_target
    assert best.score.map50_95 == max(f.score.map50_95 for f in front if f.meets_target)
    write(usual)
    assert (study.folder / "best.yaml").exists()

    ahead = [replace(b, score=Score(0.99, 1.0), meets_target=True) for b in baselines]
    beaten = outcome(front, ahead)
    assert beaten.best is not None and beaten.best.record.baseline
    assert "*is* that baseline" in gain_sentence(beaten)

    none = outcome([replace(f, meets_target=False) for f in front], [replace(b, meets_target=False) for b in baselines])
    assert none.best is None and choose_best(none.front, none.baselines) is None
    write(none)
    assert not (study.folder / "best.yaml").exists()
    study.close()
