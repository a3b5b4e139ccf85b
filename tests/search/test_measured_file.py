"""The file that was measured of the best design is at hand, made again, or measured anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from nas.latency.artifacts.model_bytes import ModelBytes, SizedModel
from nas.proxy import Score
from nas.search import measured_file
from nas.search.evaluate import Task
from nas.search.measured_file import conclude_with_file
from nas.search.remeasure import keep_file
from nas.study import Finalists, StoredStudy, choose_best
from nas.study.finalists import FinalMeasurement
from nas.study.record import TrainedRecord
from nas.study.weights import finalist_weights
from nas.study.weights import measured_file as place

Open = Callable[[str], StoredStudy]


@dataclass
class Exports:
    """An exporter: versions of libraries decide which bytes it makes of weights."""

    version: str = "1"
    measured: list[str] = field(default_factory=list)
    exported: list[str] = field(default_factory=list)

    def file(self, name: str) -> SizedModel:
        return SizedModel(ModelBytes("onnx", f"{name} by {self.version}".encode()), 96)

    def export(self, record: TrainedRecord, task: Task, weights: str) -> tuple[None, SizedModel]:
        self.exported.append(weights)
        return None, self.file(weights)

    def remeasure(
        self, records: Sequence[TrainedRecord], task: Task, *_: object, **__: object
    ) -> list[FinalMeasurement]:
        finals = []
        for record in records:
            self.measured.append(record.label)
            keep_file(self.file(record.label), task, record.label)
            latency = replace(record.evaluation.latency, level="finalist")
            finals.append(FinalMeasurement(latency, Score(0.2, 0.3), None, 0.0, self.file(record.label).model.digest))
        return finals


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> Exports:
    made = Exports()
    monkeypatch.setattr("nas.search.conclude.remeasure", made.remeasure)
    monkeypatch.setattr(measured_file, "exported_model", made.export)
    monkeypatch.setattr(measured_file, "train_missing", lambda *_: [])
    return made


def best_file(finalists: Finalists, task: Task) -> tuple[str, Path]:
    best = choose_best([*finalists.baselines, *finalists.front, *finalists.promoted])
    assert best is not None
    return best.record.label, place(finalist_weights(task.folder, best), task.latency)


@pytest.mark.parametrize(
    ("lost", "version", "exported", "measured"),
    [(False, "1", 0, 0), (True, "1", 1, 0), (True, "2", 1, 1), (False, "2", 0, 0)],
)
def test_the_measured_file_of_the_best_is_at_hand(
    opened: Open, task: Task, exports: Exports, lost: bool, version: str, exported: int, measured: int
) -> None:
    study = opened("one")
    before = conclude_with_file(study, task)
    label, path = best_file(before, task)
    assert path.read_bytes() == exports.file(label).model.data and exports.exported == []
    exports.measured.clear()
    if lost:
        path.unlink()
    exports.version = version
    said: list[str] = []
    after = conclude_with_file(study, task, on_wait=said.append)
    assert (exports.exported, exports.measured) == ([label] * exported, [label] * measured)
    assert best_file(after, task)[0] == label and len(said) == measured
    digest = exports.file(label).model.digest
    best = next(one for one in [*after.front, *after.baselines] if one.record.label == label)
    assert (best.final.file == digest) == (version == "1" or lost)
    assert ModelBytes.from_file(path).digest == best.final.file
    assert conclude_with_file(study, task) == after
    study.close()


def test_another_file_in_its_place_is_replaced(opened: Open, task: Task, exports: Exports) -> None:
    study = opened("one")
    label, path = best_file(conclude_with_file(study, task), task)
    path.write_bytes(b"another")
    conclude_with_file(study, task)
    assert path.read_bytes() == exports.file(label).model.data
    study.close()
