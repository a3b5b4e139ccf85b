"""The best design beside the best baseline: pictures by rule, boxes, stages, and what is kept of it."""

import io
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from nas.data import load
from nas.errors import LatencyError
from nas.latency import ModelBytes, SizedModel
from nas.latency.predictor import LEAST_SAMPLES
from nas.proxy.validation import Detected
from nas.search.compare import compared
from nas.search.compared_pictures import EACH, PICTURES_BYTES, boxes, chosen_pictures, compared_pictures, encoded
from nas.search.evaluate import Task
from nas.search.run import with_comparison
from nas.search.stage_times import by_stage, stage_times
from nas.search.val_detections import Detections
from nas.space.reference_designs import yolo11
from nas.study.comparison import Comparison, read_comparison, write_comparison
from nas.study.conclusion import yolo11_of
from nas.study.finalists import Finalist
from nas.study.record import as_trained
from nas.study.weights import finalist_weights, measured_file
from tests.results.searched import comparison, designs, detected, finalist, outcome, record
from tests.trained_run import STOCK


def test_pictures_are_those_of_the_largest_and_of_the_median_difference() -> None:
    best = [3, 0, 9, 4, 4, 1, 2, 5, 1, 0, 7, 3]
    rival = [3, 6, 2, 4, 3, 1, 0, 5, 4, 0, 2, 3]  # differences 0 -6 7 0 1 0 2 0 -3 0 5 0
    largest, median = chosen_pictures(best, rival)
    assert largest == [2, 1, 10, 8]  # whoever is ahead
    assert median == [6, 4, 0, 3]  # ranks 5 to 8 of 12
    assert chosen_pictures([1, 2], [1, 1]) == ([1, 0], [])
    assert [len(some) for some in chosen_pictures([1] * 6, [0] * 6)] == [EACH, 2]


def test_a_box_is_found_missed_or_invented() -> None:
    objects = np.array([[0, 0, 50, 50], [50, 50, 100, 100]], np.float32)
    seen = np.array([[1, 1, 50, 50], [50, 50, 100, 100], [0, 50, 40, 120]], np.float32)
    sure, kinds = (np.array(one, np.float32) for one in ([0.9, 0.2, 0.6], [0, 1, 2]))
    one = Detected(seen, sure, kinds, objects, np.array([0, 1], np.float32))
    found = {(box.verdict, box.kind): box for box in boxes(one, 100, 100)}
    assert sorted(found) == [("found", 0), ("invented", 2), ("missed", 1)]  # the second is not sure enough
    assert (found["missed", 1].left, found["missed", 1].confidence) == (0.5, None)
    assert found["invented", 2].bottom == 1.0  # what reaches out of the picture ends with it


def test_pictures_are_webp_and_fit_together(data_yaml: Path) -> None:
    val = load(str(data_yaml)).val
    seen = [detected(val, [(160, 160)] * len(val), seed, 0.7) for seed in (1, 2)]
    shown = compared_pictures(val, *seen)
    assert [one.group for one in shown] == ["largest"] * len(val) and {one.name for one in shown} == {
        path.name for path in val.images
    }
    for one in shown:
        picture = Image.open(io.BytesIO(b64decode(one.webp)))
        assert (picture.format, picture.size) == ("WEBP", (one.width, one.height))
    noise = [np.random.default_rng(0).integers(0, 256, (2000, 3000, 3), dtype=np.uint8)] * 8
    assert sum(len(webp) for _, _, webp in encoded(noise)) <= PICTURES_BYTES


def test_without_weights_there_is_no_comparison(tmp_path: Path, task: Task) -> None:
    def unexpected(label: str) -> None:
        raise AssertionError(label)

    found = outcome(tmp_path)
    assert found.best is not None and compared(found, task, Detections(task), unexpected) is None


def baseline(label: str, score: float, *, plain: bool = True, meets: bool = True) -> Finalist:
    """A baseline by table; its score is also the one on val."""
    design = yolo11("n", 96) if plain else designs(1)[0]
    return finalist(as_trained(record(label, design, 1.0 if meets else 9.0, score)), label)


@pytest.mark.parametrize(
    ("rival", "others", "drawn"),
    [
        (baseline("scaled", 0.1), [baseline("yolo11n", 0.9)], "scaled"),  # the best baseline is one
        (
            baseline("ghost", 0.9, plain=False),
            [baseline("slow", 0.8, meets=False), baseline("scaled", 0.2), baseline("narrow", 0.1)],
            "scaled",  # of those that meet the target the most accurate on val
        ),
        (None, [baseline("slow", 0.8, meets=False), baseline("slower", 0.9, meets=False)], "slower"),
        (baseline("ghost", 0.9, plain=False), [], None),
    ],
)
def test_a_yolo11_is_drawn_beside_the_best(rival: Finalist | None, others: list[Finalist], drawn: str | None) -> None:
    found = yolo11_of([*others, *([] if rival is None else [rival])], rival)
    assert (None if found is None else found.record.label) == drawn


class Exported:
    """Exports of a design's weights, and what is detected by which file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
        self.file, self.seen = SizedModel(ModelBytes("onnx", content), 96), list[bytes]()
        monkeypatch.setattr("nas.search.val_detections.exported_model", lambda *_: (None, self.file))
        monkeypatch.setattr("nas.search.val_detections.detected_by_file", self.detect)
        monkeypatch.setattr("nas.search.val_detections.data_of", lambda task: SimpleNamespace(val=()))

    def detect(self, file: SizedModel, *_: object) -> list[Detected]:
        self.seen.append(file.model.data)
        return []


@pytest.mark.parametrize(
    ("kept", "exported", "looked_at"),
    [
        (b"measured", b"other", True),
        (b"other", b"measured", True),
        (None, b"measured", True),
        (b"other", b"other", False),
    ],
)
def test_detections_are_of_the_file_that_was_measured(
    task: Task, monkeypatch: pytest.MonkeyPatch, kept: bytes | None, exported: bytes, looked_at: bool
) -> None:
    one = baseline("scaled", 0.1)
    one = replace(one, final=replace(one.final, file=ModelBytes("onnx", b"measured").digest))
    path = measured_file(finalist_weights(task.folder, one), task.latency)
    path.parent.mkdir()
    if kept is not None:
        path.write_bytes(kept)
    made, said = Exported(monkeypatch, exported), list[str]()
    seen = Detections(task, said.append)
    assert seen(one) == seen(one) == ([] if looked_at else None)
    assert made.seen == [b"measured"] * looked_at and len(said) == (not looked_at)


@pytest.mark.parametrize("error", [LatencyError("no such runtime"), KeyboardInterrupt()])
def test_a_comparison_that_fails_takes_no_result_with_it(
    tmp_path: Path, data_yaml: Path, task: Task, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    found, said = outcome(tmp_path), list[str]()
    reporter = SimpleNamespace(waiting=said.append, comparing=lambda labels: None)

    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr("nas.search.run.compared", failing)
    assert with_comparison(found, task, Detections(task), reporter) is found  # type: ignore[arg-type]
    assert len(said) == 1 and (str(error) or "interrupted") in said[0]
    made: Comparison = comparison(load(str(data_yaml)), ("a",) * 6)
    monkeypatch.setattr("nas.search.run.compared", lambda *_: made)
    assert with_comparison(found, task, Detections(task), reporter).comparison == made  # type: ignore[arg-type]
    assert "Detections in the same pictures" in (tmp_path / "report.html").read_text()
    monkeypatch.setattr("nas.search.run.compared", failing)
    stopped = replace(found, ended="interrupted")
    assert with_comparison(stopped, task, Detections(task), reporter) is stopped  # type: ignore[arg-type]


def test_times_of_stages_are_learnt_from_what_was_measured() -> None:
    records = [record(f"trial-{at}", STOCK, 1 + 0.01 * at, 0.1) for at in range(LEAST_SAMPLES)]
    one = finalist(as_trained(records[0]), "a")
    (times,) = stage_times(records, [one], 6).values()
    assert [time.stage for time in times] == ["stem", "P2", "P3", "P4", "P5", "SPPF, C2PSA", "neck", "head"]
    assert sum(time.ms for time in times) == pytest.approx(one.final.latency.latency_ms)
    with pytest.raises(LatencyError, match="7 designs were measured, and an estimate needs 8"):
        stage_times(records[1:], [one], 6)


def test_times_of_layers_add_up_by_stage() -> None:
    times = {one.stage: one.ms for one in by_stage(yolo11("n", 160), dict.fromkeys(range(24), 1.0))}
    assert times == {"stem": 1, "P2": 2, "P3": 2, "P4": 2, "P5": 2, "SPPF, C2PSA": 2, "neck": 12, "head": 1}


def test_a_comparison_is_read_as_it_was_kept_and_of_its_files_alone(data_yaml: Path, tmp_path: Path) -> None:
    made = comparison(load(str(data_yaml)), ("a",) * 6)
    (tmp_path / "models").mkdir()
    write_comparison(tmp_path, made)
    assert read_comparison(tmp_path, made.files) == made
    assert read_comparison(tmp_path, ("other", "files")) is None
    (tmp_path / "models" / "comparison.json").write_text("{}")
    assert read_comparison(tmp_path, made.files) is None
    assert read_comparison(tmp_path / "nowhere", made.files) is None


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_layer_times_are_scaled_to_the_whole(scale: float) -> None:
    from nas.architecture import to_yaml
    from nas.latency.predictor import Predictor, Sample, layer_times
    from nas.latency.predictor.features import graph_features
    from nas.model import build, to_onnx
    from tests.trained_run import STOCK

    onnx = to_onnx(build(to_yaml(STOCK, 6), seed=0), STOCK.imgsz)
    features = graph_features(onnx)
    predictor = Predictor.fit([Sample(features, 1.0)] * 8)
    times = layer_times(onnx, predictor, scale)
    assert {0, 2, 9, 10, 13, 23} <= set(times) <= set(range(24))  # rows that only join maps may take no time
    assert sum(times.values()) == pytest.approx(scale)
    assert max(times) == 23 and min(times.values()) > 0
