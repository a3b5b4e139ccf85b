"""One search inherits from one source, whatever becomes of the cache folder."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nas.errors import StudyError
from nas.inherit.values import Tuned
from nas.proxy import ProxySettings, Score
from nas.search import run
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy

FIRST = Tuned(Path("/cache/a.pt"), "/home/yolo11n.pt", 600, Score(0.5, 0.8), 160, "0123")


@pytest.fixture
def study(tmp_path: Path, settings: SearchSettings, sizes: dict[str, int]) -> StoredStudy:
    return StoredStudy(tmp_path, settings, sizes)


def asked(study: StoredStudy, monkeypatch: pytest.MonkeyPatch, gives: Tuned, budget: int = 5) -> Tuned:
    space = SimpleNamespace(choices={"imgsz": (96, 160)})
    request = SimpleNamespace(proxy=ProxySettings(), source_steps=600, budget=budget, rungs=())
    plan: Any = SimpleNamespace(request=request, space=space, data=SimpleNamespace())
    reporter: Any = SimpleNamespace(tuning=None, tuned=lambda source: None)
    monkeypatch.setattr("nas.inherit.tune", lambda *_: gives)
    return run.tuned_source(study, plan, Path(FIRST.source), reporter)


def test_the_same_source_again_and_no_other(study: StoredStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(study, monkeypatch, FIRST) == FIRST
    moved = replace(FIRST, file=Path("/elsewhere/a.pt"))
    assert asked(study, monkeypatch, moved) == moved
    with pytest.raises(StudyError, match=r"came out otherwise .*--name of its own"):
        asked(study, monkeypatch, replace(FIRST, digest="4567"))
    assert Tuned.from_dict(study.attribute("source")) == moved
    study.close()


def test_where_nothing_is_left_to_train_it_is_not_needed(study: StoredStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(study, monkeypatch, FIRST)
    other = replace(FIRST, digest="4567")
    monkeypatch.setattr(run, "standing", lambda *_: [SimpleNamespace(finished=True)])
    assert asked(study, monkeypatch, other, budget=0) == FIRST
    monkeypatch.setattr(run, "standing", lambda *_: [SimpleNamespace(finished=False)])
    with pytest.raises(StudyError, match="came out otherwise"):
        asked(study, monkeypatch, other, budget=0)
    study.close()
