"""Where the results folder stayed elsewhere, needed weights are trained again, every score stays, and it is told."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from nas.architecture.architecture import Architecture
from nas.errors import ProxyError
from nas.proxy import Score
from nas.results.markdown import _retrained
from nas.search import missing_weights
from nas.search.evaluate import Task
from nas.search.missing_weights import train_missing, write_missing_designs
from nas.search.pending_trial import Promotion
from nas.study.rungs import RungScore
from nas.study.store import StoredStudy
from nas.study.weights import weights_file, write_text

Open = Callable[[str], StoredStudy]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """The trainings that were carried out; each leaves a file."""
    found: list[tuple[object, ...]] = []

    def again(design: Architecture, task: Task, label: str, baseline: bool = False) -> None:
        found.append((label, task.proxy.steps, baseline))
        write_text(weights_file(task.folder, label), "weights")

    def promoted(design: Architecture, task: Task, label: str, how: Promotion, baseline: bool = False) -> RungScore:
        found.append((label, how.steps, how.lr, baseline))
        write_text(weights_file(task.folder, f"{label}-{how.steps}"), "weights")
        return RungScore(Score(0.9, 0.9), how.steps, 1.0, 0.1)

    monkeypatch.setattr(missing_weights, "train_weights", again)
    monkeypatch.setattr(missing_weights, "train_promoted", promoted)
    return found


def test_weights_that_are_gone_are_trained_again_and_scores_stay(
    opened: Open, task: Task, trained: list[tuple[object, ...]]
) -> None:
    study = opened("one")
    records, baselines = study.trained(), study.trained_baselines()
    first, second, third = records[:3]
    score = RungScore(Score(0.5, 0.6), 400, 2.0, 0.006)
    study.keep("rungs", {first.label: {"400": score.to_dict()}})
    study.keep("finals", {f"{first.label}-400": {}, second.label: {}, third.label: {}})
    study.keep("first_rung", {"steps": 77, "why": []})
    write_text(weights_file(task.folder, third.label), "weights")
    said: list[str] = []

    names = train_missing([first, second, third, baselines[0]], study, task, said.append)
    assert names == [f"{first.label}-400", second.label, baselines[0].label]
    assert trained == [
        (first.label, 400, 0.006, False),
        (second.label, 77, False),
        (baselines[0].label, 77, True),
    ]
    assert len(said) == 3 and "its score stays" in said[0]
    assert study.attribute("retrained") == sorted(names)
    assert set(study.attribute("finals")) == {third.label}
    assert study.attribute("rungs")[first.label]["400"] == score.to_dict() and study.trained() == records

    assert train_missing([first, second, third], study, task) == []
    assert len(trained) == 3 and study.attribute("retrained") == sorted(names)
    study.close()


def test_a_training_that_fails_is_not_called_done(opened: Open, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ProxyError("the loss became nan")

    monkeypatch.setattr(missing_weights, "train_weights", fails)
    study = opened("one")
    with pytest.raises(ProxyError, match="nan"):
        train_missing(study.trained()[:1], study, task)
    assert study.attribute("retrained") is None
    study.close()


def test_the_yaml_of_every_trained_design_is_there_again(opened: Open, task: Task) -> None:
    study = opened("one")
    task = replace(task, folder=study.folder)
    write_missing_designs(study, task)
    found = {path.stem for path in (study.folder / "models").glob("*.yaml")}
    assert found == {one.label for one in [*study.trained(), *study.trained_baselines()]}
    study.close()


def test_the_report_says_which() -> None:
    assert _retrained(()) == []
    (line,) = _retrained(("trial-3-400", "yolo11n"))
    assert "trained again: trial-3-400, yolo11n." in line
