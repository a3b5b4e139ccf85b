"""What file a finalist's numbers are of, and what happens where the device gives none."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from nas.architecture.architecture import Architecture
from nas.architecture.ultralytics_yaml import to_yaml
from nas.data import load
from nas.data.image_cache import pixels
from nas.data.synthetic.embedded import write_set
from nas.errors import StudyError, Unmeasurable
from nas.latency import LatencyDevice, LatencySettings, measurement_retry
from nas.latency.artifacts.model_bytes import ModelBytes, SizedModel
from nas.latency.measure import Comparison
from nas.model.builder import build
from nas.proxy import Score
from nas.search import remeasure
from nas.search.evaluate import Task
from nas.space.reference_designs import yolo11
from nas.study.record import Record, TrainedRecord, as_trained
from tests.search.conftest import CALIBRATION, formula, formula_latency


def trained(design: Architecture, task: Task, label: str) -> TrainedRecord:
    """A trained design, without its files."""
    key = design.canonical().key
    evaluation = formula(design, task, label, always_train=True)
    return as_trained(Record(0, label, False, "trained", key, {}, "random", evaluation, None, None))


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
    task: Task, cells: str, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    architecture = yolo11("n", 96, 0.25)
    record = trained(architecture, task, "yolo11-scaled")
    task = replace(task, device=LatencyDevice(LatencySettings(precision=precision), CALIBRATION), data=cells)
    text = to_yaml(architecture, task.classes)
    (task.folder / "models").mkdir()
    torch.save(build(text).state_dict(), task.folder / "models" / "yolo11-scaled.pt")
    file = _answering(_truth(cells, architecture.imgsz), architecture.imgsz)
    timed: list[SizedModel] = []
    quantised_with: list[object] = []

    def prepare(model: object, imgsz: int, settings: LatencySettings, pictures: object) -> ModelBytes:
        quantised_with.append(pictures)
        return file

    def compare(_: LatencyDevice, models: Sequence[SizedModel]) -> Comparison:
        timed.extend(models)
        return Comparison((replace(formula_latency(architecture, task), level="finalist"),), None)

    monkeypatch.setattr(remeasure, "prepare", prepare)
    monkeypatch.setattr(LatencyDevice, "compare", compare)
    differed: list[str] = []

    def difference(file: SizedModel, *_: object) -> float:
        differed.append(file.model.digest)
        return 0.25

    monkeypatch.setattr(remeasure, "file_difference", difference)
    (final,) = remeasure.remeasure([record], task)
    assert differed == [file.digest] and final.difference == 0.25
    assert [one.model.digest for one in timed] == [file.digest] == [final.file]
    assert (task.folder / "models" / "yolo11-scaled.onnx").read_bytes() == file.data  # it stays
    # The file knows the truth, the torch model beside it nothing: the score is the file's.
    assert final.val.map50_95 > 0.9
    if precision == "float32":
        assert final.val_float is None and final.precision_lost is None and quantised_with == [None]
    else:
        assert final.val_float is not None and final.val_float.map50_95 < 0.1
        assert final.precision_lost == final.val_float.map50_95 - final.val.map50_95 < -0.8
        (pictures,) = quantised_with
        assert isinstance(pictures, np.ndarray) and len(pictures) > 0  # of train: val is looked at once, at the end
    assert remeasure.FinalMeasurement.from_dict(final.to_dict()) == final


@pytest.mark.parametrize("content", [None, b"", b"no weights"])
def test_weights_that_are_gone_are_told(task: Task, content: bytes | None) -> None:
    (task.folder / "models").mkdir()
    if content is not None:
        (task.folder / "models" / "trial-0.pt").write_bytes(content)
    with pytest.raises(StudyError, match=r"weights .*trial-0.pt cannot be read"):
        remeasure.remeasure([trained(yolo11("n", 96, 0.25), task, "trial-0")], task)


# --- a disturbed device


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting, scoring and pauses left out."""

    def export(record: Record, task: Task, weights: str) -> tuple[None, SizedModel]:
        return None, SizedModel(ModelBytes("onnx", record.label.encode()), 96)

    def scored(model: None, file: SizedModel, latency: Any, task: Task) -> remeasure.FinalMeasurement:
        return remeasure.FinalMeasurement(latency, Score(0.2, 0.3), None, 0.0, file.model.digest)

    monkeypatch.setattr(remeasure, "exported_model", export)
    monkeypatch.setattr(remeasure, "scored", scored)
    for module, name in (
        (remeasure, "DISTURBED_PAUSES_S"),
        (measurement_retry, "_UNSURE_PAUSES_S"),
    ):
        monkeypatch.setattr(module, name, (0.0,) * len(getattr(module, name)))


def answering(task: Task, answers: Sequence[float | None], asked: list[int]) -> Any:
    """`compare` of a device that gives these half widths in turn, as shares; None where it is too disturbed."""
    left = list(answers)

    def compare(_: LatencyDevice, models: Sequence[SizedModel]) -> Comparison:
        asked.append(len(models))
        half = left.pop(0)
        if half is None:
            raise Unmeasurable("unmeasurable: the device is not steady")
        one = replace(
            formula_latency(yolo11("n", 96, 0.25), task),
            latency_ms=2.49,
            low_ms=2.49 * (1 - half),
            high_ms=2.49 * (1 + half),
            level="finalist",
        )
        return Comparison((one,) * len(models), None)

    return compare


def test_designs_are_measured_together_and_alone_only_where_the_target_is_not_decided(
    task: Task, unread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [trained(yolo11("n", 96, 0.25), task, label) for label in ("a", "b")]
    asked: list[int] = []
    monkeypatch.setattr(LatencyDevice, "compare", answering(task, [0.001], asked))
    assert all(final.remeasured and final.latency.meets(2.5) for final in remeasure.remeasure(records, task))
    assert asked == [2]

    asked.clear()  # a's second try is worse, its third enough; of b the first stays, because nothing better comes
    monkeypatch.setattr(LatencyDevice, "compare", answering(task, [0.05, 0.08, 0.001, 0.06, 0.07, 0.08], asked))
    sure, unsure = remeasure.remeasure(records, task)
    assert asked == [2, 1, 1, 1, 1, 1]
    assert sure.latency.meets(2.5) and unsure.latency.high_ms == pytest.approx(2.49 * 1.05)

    asked.clear()  # an answer stands, however disturbed the device is later
    monkeypatch.setattr(LatencyDevice, "compare", answering(task, [0.05, None, None], asked))
    assert all(final.remeasured for final in remeasure.remeasure(records, task)) and asked == [2, 1, 1]


def test_where_the_device_gives_no_answer_the_screening_stays_and_is_called_unconfirmed(
    task: Task, unread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [trained(yolo11("n", 96, 0.25), task, label) for label in ("a", "b", "c")]
    asked: list[int] = []
    # Together; a alone, once and after three pauses; b, not waited for, once; c succeeds.
    monkeypatch.setattr(LatencyDevice, "compare", answering(task, [None] * (1 + 4 + 1) + [0.001], asked))
    said: list[str] = []
    finals = remeasure.remeasure(records, task, said.append)
    assert asked == [3, *[1] * 6]
    assert [final.remeasured for final in finals] == [False, False, True]
    assert finals[0].latency == formula_latency(yolo11("n", 96, 0.25), task)
    assert [text.split()[0] for text in said if "stays unconfirmed" in text] == ["a", "b"]


def test_where_somebody_waits_a_disturbed_device_is_asked_once(
    task: Task, unread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [trained(yolo11("n", 96, 0.25), task, label) for label in ("a", "b")]
    asked: list[int] = []
    monkeypatch.setattr(LatencyDevice, "compare", answering(task, [None, 0.05], asked))
    assert not any(final.remeasured for final in remeasure.remeasure(records, task, patience="together"))
    assert all(final.remeasured for final in remeasure.remeasure(records, task, patience="together"))
    assert asked == [2, 2]


def test_what_misses_the_target_anyway_is_not_waited_for(
    task: Task, unread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [trained(yolo11("n", 160), task, "slow"), trained(yolo11("n", 96, 0.25), task, "fast")]
    asked: list[int] = []
    # Together; the slow one alone, once; the fast one as patiently as ever, once and after three pauses.
    monkeypatch.setattr(LatencyDevice, "compare", answering(task, [None] * (1 + 1 + 4), asked))
    assert not any(final.remeasured for final in remeasure.remeasure(records, task))
    assert asked == [2, *[1] * 5]
