"""Which finalist is best, what the front is after fresh measurements, and what file a finalist's numbers are of."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console

from nas import finals
from nas.campaign import Campaign
from nas.cli.progress import ConsoleReporter
from nas.data import load
from nas.data.embedded import write_set
from nas.data.pixels import pixels
from nas.errors import Unmeasurable
from nas.estimates import estimates
from nas.evaluate import Task
from nas.executors import inline
from nas.finals import Final, Finalist, choose_best, conclude
from nas.latency import Latency, LatencySettings
from nas.latency.artifact import ModelBytes
from nas.latency.measure import Comparison
from nas.latency.sized import Sized
from nas.literals import yolo11
from nas.pareto import front_indices
from nas.proxy import Score
from nas.report import Outcome, gain_sentence, report, write
from nas.runs import table
from nas.settings import SearchSettings
from nas.space import SearchSpace
from nas.study import Record, StoredStudy
from nas.yolo_yaml import to_yaml
from tests.search.conftest import formula, formula_latency


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
    def final(record: Record, task: Task, *_: object) -> Final:
        assert record.evaluation is not None and record.evaluation.score is not None
        latency = record.evaluation.latency
        # Every other finalist turns out slower than its screening said.
        by = factor if record.number % 2 else 1.0
        fresh = replace(latency, latency_ms=latency.latency_ms * by, high_ms=latency.high_ms * by, level="finalist")
        return Final(fresh, Score(record.evaluation.score.map50_95 / 2, 0.3), None, 1e-6, "digest")

    return final


def test_the_front_holds_by_its_own_fresh_numbers(
    study: StoredStudy, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finals, "_final", slower(1.3))
    front, baselines = conclude(study, task)
    points = [(f.final.latency.latency_ms, f.accuracy) for f in front]
    known = estimates([*study.baselines(), *study.records()], {})
    assert all(f.accuracy == known.accuracy(f.record.label) for f in front)
    assert sorted(front_indices(points)) == list(range(len(points)))
    for record in study.records():
        if record.status == "trained" and record.evaluation and record.evaluation.score:
            latency, accuracy = record.evaluation.latency.latency_ms, known.accuracy(record.label)
            if record.label not in {f.record.label for f in front}:
                assert any(m <= latency * 1.31 and a >= accuracy for m, a in points)
    assert [b.record.label for b in baselines] == ["yolo11n", "yolo11-scaled"]
    assert not baselines[0].meets_target and baselines[1].meets_target

    def never(*_: object) -> Final:
        raise AssertionError("a kept final was measured again")

    monkeypatch.setattr(finals, "_final", never)
    assert conclude(study, task) == (front, baselines)
    study.close()


MakeOutcome = Callable[[list[Finalist], list[Finalist]], Outcome]


@pytest.fixture
def outcome(study: StoredStudy, settings: SearchSettings) -> MakeOutcome:
    """A maker of a finished search with these finalists."""

    def make(front: list[Finalist], baselines: list[Finalist]) -> Outcome:
        return Outcome(
            folder=study.folder,
            settings=settings,
            budget=12,
            records=study.records(),
            baseline_records=study.baselines(),
            repeats=study.repeats(),
            front=front,
            baselines=baselines,
            fastest_ms=0.5,
            slowest_ms=9.0,
            ended="budget",
            seconds=1.0,
            data_sizes={"train": 8, "select": 2, "val": 2},
            protocol={},
            data_yaml=None,
        )

    return make


def test_a_baseline_is_best_when_it_is_ahead(
    study: StoredStudy, task: Task, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finals, "_final", slower(1.0))
    front, baselines = conclude(study, task)

    usual = outcome(front, baselines)
    best = usual.best
    assert best is not None and not best.record.baseline and best.meets_target
    assert best.accuracy == max(f.accuracy for f in front if f.meets_target)
    write(usual)
    assert (study.folder / "best.yaml").exists()

    ahead = [replace(b, accuracy=0.99, meets_target=True) for b in baselines]
    beaten = outcome(front, ahead)
    assert beaten.best is not None and beaten.best.record.baseline
    assert "*is* that baseline" in gain_sentence(beaten)

    none = outcome([replace(f, meets_target=False) for f in front], [replace(b, meets_target=False) for b in baselines])
    assert none.best is None and choose_best(none.front, none.baselines) is None
    write(none)
    assert not (study.folder / "best.yaml").exists()
    study.close()


def test_what_cannot_be_told_apart_is_named(
    study: StoredStudy, task: Task, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finals, "_final", slower(1.0))
    finished = outcome(*conclude(study, task))
    best, known = finished.best, finished.known
    assert best is not None and best.estimate is not None
    others = [f.record.label for f in [*finished.front, *finished.baselines] if f.meets_target and f is not best]
    same = [label for label in others if not known.apart(best.record.label, label)]
    text = gain_sentence(finished)
    assert f"{best.estimate.mean:.3f}, 95% {best.estimate.low:.3f} to {best.estimate.high:.3f}" in text
    assert (f"cannot tell it apart from {', '.join(same)}:" in text) if same else ("more than these proxies'" in text)
    alone = outcome([best], [])
    assert "No other finalist meets the target." in gain_sentence(alone)
    few = replace(best, estimate=None, accuracy=0.4, seeds=3)
    assert "too few scores to learn from" in gain_sentence(outcome([few], []))
    study.close()


def test_the_table_fits_80_characters(
    study: StoredStudy, task: Task, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finals, "_final", slower(1.0))
    front, baselines = conclude(study, task)
    wide = replace(baselines[0].final.latency, latency_ms=12.34, low_ms=12.01, high_ms=12.67)
    slow = replace(baselines[0], final=replace(baselines[0].final, latency=wide))
    text = io.StringIO()
    ConsoleReporter(Console(file=text, width=80, soft_wrap=True)).concluded(outcome(front, [slow, *baselines[1:]]))
    assert "12.01-12.67" in text.getvalue() and "…" not in text.getvalue()
    study.close()


def test_a_finalist_that_stays_unmeasurable_is_unconfirmed_and_measured_later(
    study: StoredStudy, task: Task, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience: list[int] = []

    def disturbed(file: object, task: Task, on_wait: object, pauses_s: Sequence[float]) -> Latency:
        patience.append(len(pauses_s))
        raise Unmeasurable("unmeasurable: the device is not steady")

    monkeypatch.setattr(finals, "_trained", lambda *_: None)
    monkeypatch.setattr(finals, "prepare", lambda *_: ModelBytes("onnx", b""))
    monkeypatch.setattr("nas.data.load", lambda *_, **__: SimpleNamespace(val=None))
    monkeypatch.setattr(finals, "score_file", lambda *_: Score(0.2, 0.3))
    monkeypatch.setattr(finals, "sample_pictures", lambda *_: None)
    monkeypatch.setattr(finals, "_difference", lambda *_: 0.0)
    monkeypatch.setattr(finals, "_fresh", disturbed)
    said: list[str] = []
    front, baselines = conclude(study, task, on_wait=said.append)

    everyone = [*baselines, *front]
    assert not any(f.final.confirmed or f.meets_target for f in everyone)
    assert all(f.final.latency == f.evaluation.latency for f in everyone)
    assert patience[0] > patience[1] == patience[-1]  # the first is waited for, the others not as long again
    assert any("stays unconfirmed" in text for text in said)
    finished = outcome(front, baselines)
    write(finished)
    assert not (study.folder / "best.yaml").exists()
    assert "too disturbed to measure" in gain_sentence(finished) and "| ? |" in report(finished)
    assert {row["latency_level"] for row in table(study.folder, "front.csv")} == {"screening"}

    def quiet(file: object, task: Task, *_: object) -> Latency:
        return replace(formula_latency(yolo11("n", 96, 0.25), task), level="finalist")

    monkeypatch.setattr(finals, "_fresh", quiet)
    front, baselines = conclude(study, task)
    assert all(f.final.confirmed and f.meets_target for f in [*baselines, *front])
    assert "too disturbed" not in gain_sentence(outcome(front, baselines))
    study.close()


# --- one file


@pytest.fixture
def cells(tmp_path: Path) -> str:
    """A data set whose val is one picture, so that an answer that hangs on no input can be right."""
    write_set(tmp_path / "cells", {"train": 12, "val": 1}, seed=3)
    return str(tmp_path / "cells" / "data.yaml")


def _answering(answer: "np.ndarray[Any, Any]", imgsz: int) -> ModelBytes:
    """An ONNX file that always gives the same detections, (1, 4 + classes, anchors)."""
    nothing = numpy_helper.from_array(np.zeros(1, dtype=np.float32), "nothing")
    said = numpy_helper.from_array(answer.astype(np.float32), "said")
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["said", "zero"], ["output0"]),
    ]
    ends = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, imgsz, imgsz]),
        helper.make_tensor_value_info("output0", TensorProto.FLOAT, list(answer.shape)),
    ]
    graph = helper.make_graph(nodes, "answering", ends[:1], ends[1:], [nothing, said])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return ModelBytes("onnx", model.SerializeToString())


def _truth(data_yaml: str, imgsz: int) -> "np.ndarray[Any, Any]":
    """The true boxes of the one picture, as detections of confidence 1."""
    source = pixels(load(data_yaml).val, imgsz)
    boxes = source.boxes[0, : int(source.counts[0])]
    answer = np.zeros((1, 10, max(8, len(boxes))))
    for slot, (kind, *box) in enumerate(boxes.tolist()):
        answer[0, :4, slot] = np.array(box) * imgsz
        answer[0, 4 + int(kind), slot] = 1.0
    return answer


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_finalists_latency_and_accuracy_are_of_one_file(
    study: StoredStudy, task: Task, cells: str, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    record = next(r for r in study.baselines() if r.label == "yolo11-scaled")
    assert record.evaluation is not None
    architecture = record.evaluation.architecture
    task = replace(task, latency=LatencySettings(precision=precision), data=cells)
    text = to_yaml(architecture, task.classes)
    (study.folder / "models" / "yolo11-scaled.yaml").write_text(text)
    from nas.build import build

    torch.save(build(text).state_dict(), study.folder / "models" / "yolo11-scaled.pt")
    file = _answering(_truth(cells, architecture.imgsz), architecture.imgsz)
    timed: list[Sized] = []
    quantised_with: list[object] = []

    def prepare(model: object, imgsz: int, settings: LatencySettings, pictures: object) -> ModelBytes:
        quantised_with.append(pictures)
        return file

    def compare(models: Sequence[Sized], settings: LatencySettings, *_: object, **__: object) -> Comparison:
        timed.extend(models)
        return Comparison((formula_latency(architecture, task),), None)

    monkeypatch.setattr(finals, "prepare", prepare)
    monkeypatch.setattr(finals, "compare", compare)
    differed: list[str] = []

    def difference(file: Sized, *_: object) -> float:
        differed.append(file.model.digest)
        return 0.25

    monkeypatch.setattr(finals, "_difference", difference)
    final = finals._final(record, task, print, ())
    assert differed == [file.digest] and final.difference == 0.25
    assert [one.model.digest for one in timed] == [file.digest] == [final.file]
    # The file knows the truth, the torch model beside it nothing: the score is the file's.
    assert final.val.map50_95 > 0.9
    if precision == "float32":
        assert final.val_float is None and final.precision_lost is None and quantised_with == [None]
    else:
        assert final.val_float is not None and final.val_float.map50_95 < 0.1
        assert final.precision_lost == final.val_float.map50_95 - final.val.map50_95 < -0.8
        (pictures,) = quantised_with
        assert isinstance(pictures, np.ndarray) and len(pictures) > 0  # of train: val is looked at once, at the end
    assert Final.from_dict(final.to_dict()) == final
    study.close()


@pytest.mark.parametrize(("lost", "says"), [(0.004, "+0.4 points"), (0.013, "+1.3 points of mAP50-95 on val: **more")])
def test_the_report_tells_what_the_precision_costs_and_flags_more_than_a_point(
    study: StoredStudy,
    task: Task,
    outcome: MakeOutcome,
    monkeypatch: pytest.MonkeyPatch,
    lost: float,
    says: str,
) -> None:
    def final(record: Record, task: Task, *_: object) -> Final:
        assert record.evaluation is not None
        return Final(record.evaluation.latency, Score(0.2, 0.3), Score(0.2 + lost, 0.3), 0.1, "digest")

    monkeypatch.setattr(finals, "_final", final)
    text = report(outcome(*conclude(study, task)))
    notes = [line for line in text.splitlines() if " costs " in line]
    assert notes and all(says in line for line in notes)
    assert ("more than a point" in text) == (lost > 0.01)
    study.close()


def test_a_float32_report_says_nothing_of_a_precision(
    study: StoredStudy, task: Task, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finals, "_final", slower(1.0))
    assert " costs " not in report(outcome(*conclude(study, task)))
    study.close()
