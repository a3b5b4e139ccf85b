"""A training at a rung, and a baseline's at the best of several learning rates."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import nas.proxy
import nas.search.evaluate
from nas.errors import ProxyError, StudyError
from nas.proxy import ProxySettings, Score
from nas.search.evaluate import Task, begun, evaluate, train_promoted
from nas.search.pending_trial import Promotion
from nas.space.reference_designs import yolo11
from nas.study.rungs import RungScore, weights_name
from tests.search.conftest import formula

DESIGN = yolo11("n", 96, 0.25)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> dict[float, list[ProxySettings]]:
    """By learning rate, how trainings were asked for; a training leaves its rate in a layer, and 0.1 diverges."""
    seen: dict[float, list[ProxySettings]] = {}
    scores = {0.006: 0.4, 0.012: 0.6, 0.024: 0.6}

    def train_proxy(model: nn.Module, data: Any, imgsz: int, settings: ProxySettings, gate: Any) -> tuple[Any, Any]:
        assert imgsz == DESIGN.imgsz and bool(model.weight.eq(1.0).all()), "it begins anew"  # type: ignore[operator]
        seen.setdefault(settings.lr, []).append(settings)
        if settings.lr == 0.1:
            raise ProxyError("the training loss became nan")
        nn.init.constant_(model.weight, settings.lr)  # type: ignore[arg-type]
        return SimpleNamespace(score=Score(scores[settings.lr], 0.7)), model

    monkeypatch.setattr(nas.proxy, "train_proxy", train_proxy, raising=False)
    monkeypatch.setattr(nas.search.evaluate, "screen", lambda design, task, label: formula(design, task))
    monkeypatch.setattr(nas.search.evaluate, "data_of", lambda task: None)

    def begin(design: Any, task: Task, *, taught: bool = False) -> tuple[nn.Module, float | None]:
        model = nn.Linear(1, 1)
        nn.init.ones_(model.weight)
        return model, 0.25

    monkeypatch.setattr(nas.search.evaluate, "begun", begin)
    return seen


@pytest.mark.parametrize(
    ("rates", "baseline", "asked", "best"),
    [
        ((), False, [0.012], 0.012),
        ((), True, [0.012], 0.012),
        ((0.006, 0.012), True, [0.006, 0.012], 0.012),
        ((0.012, 0.006), True, [0.012, 0.006], 0.012),
        ((0.012, 0.024), True, [0.012, 0.024], 0.012),  # level: the first
        ((0.006, 0.012), False, [0.012], 0.012),  # a candidate trains at the proxy's
        ((0.1, 0.006), True, [0.1, 0.006], 0.006),  # one that diverges is not the best
    ],
)
def test_a_baseline_keeps_its_best_learning_rate_and_a_candidate_has_one(
    task: Task,
    trained: dict[float, list[ProxySettings]],
    rates: tuple[float, ...],
    baseline: bool,
    asked: list[float],
    best: float,
) -> None:
    task = replace(task, baseline_lrs=rates)
    found = evaluate(DESIGN, task, "source-96", baseline)
    last = train_promoted(DESIGN, task, "source-96", Promotion(400), baseline)
    score = Score(0.4 if best == 0.006 else 0.6, 0.7)
    assert found.score == last.score == score and found.inherited == 0.25
    assert last == RungScore(score, 400, last.seconds, best)
    assert list(trained) == asked
    assert all([one.steps for one in some] == [task.proxy.steps, 400] for some in trained.values())
    assert all(one.seed == task.proxy.seed for some in trained.values() for one in some)
    models = task.folder / "models"
    assert sorted(path.name for path in models.iterdir()) == ["source-96-400.pt", "source-96.pt", "source-96.yaml"]
    for name in ("source-96.pt", "source-96-400.pt"):
        kept = torch.load(models / name, weights_only=True)
        assert float(kept["weight"]) == pytest.approx(best, rel=1e-3) and kept["weight"].dtype == torch.float16
    told = task.folder / "waiting.txt"
    if 0.1 in rates:
        assert told.read_text().startswith("source-96: no score at learning rate 0.1: the training loss became nan\n")
    else:
        assert not told.exists()


def test_without_a_score_at_any_rate_there_is_an_error_and_the_weights_stay_as_they_were(
    task: Task, trained: dict[float, list[ProxySettings]]
) -> None:
    train_promoted(DESIGN, task, "a", Promotion(400), True)
    before = (task.folder / "models" / "a-400.pt").read_bytes()
    with pytest.raises(ProxyError, match="loss became nan"):
        train_promoted(DESIGN, replace(task, baseline_lrs=(0.1, 0.1)), "a", Promotion(400), True)
    assert (task.folder / "models" / "a-400.pt").read_bytes() == before


def test_a_design_begins_with_the_same_weights_at_every_length(task: Task) -> None:
    first, share = begun(DESIGN, task)
    longer, _ = begun(DESIGN, replace(task, proxy=task.proxy.longer(400)))
    pairs = zip(first.parameters(), longer.parameters(), strict=True)
    assert share is None and all(torch.equal(one, other) for one, other in pairs)


def test_a_known_learning_rate_is_the_only_one(task: Task, trained: dict[float, list[ProxySettings]]) -> None:
    asked = replace(task, baseline_lrs=(0.006, 0.012))
    last = train_promoted(DESIGN, asked, "source-96", Promotion(1200, 0.006), True)
    assert list(trained) == [0.006] and last.lr == 0.006
    (settings,) = trained[0.006]
    assert settings.course == settings.steps == 1200, "the rate falls to its end"


@pytest.mark.parametrize("steps", [None, 400])
def test_a_finalist_is_exported_from_the_weights_that_are_named(task: Task, steps: int | None) -> None:
    from nas.search.remeasure import remeasure
    from tests.search.test_remeasure import trained as record

    name = "trial-0" if steps is None else f"trial-0-{steps}"
    with pytest.raises(StudyError, match=rf"weights .*{name}\.pt cannot be read"):
        remeasure([record(DESIGN, task, "trial-0")], task, lambda one: weights_name(one.label, steps))
