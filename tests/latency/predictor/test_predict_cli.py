"""`ghostnas latency predict` on a stored search whose device is a formula."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from nas.architecture.architecture import Architecture
from nas.cli.latency_predict import features_of, predict
from nas.errors import GhostnasError, LatencyError, ModelError, StudyError
from nas.latency import Latency, LatencySettings
from nas.latency.artifacts.model_files import find_model
from nas.latency.predictor import feature_cache as known
from nas.latency.predictor.features import TERMS, Features, graph_features
from nas.space.space import load_space
from nas.study.evaluation import Evaluation
from nas.study.limits import Limits, Violation
from nas.study.settings import DataChoice, ProxyChoice, SearchSettings, SpaceChoice
from nas.study.store import StoredStudy
from tests.latency.onnx_makers import conv, external, value, written
from tests.latency.predictor.test_predictor import HERE, designs

CLASSES = 6
SETTINGS = SearchSettings(
    SpaceChoice("ghostv2-n", "0", (96, 128, 160)),
    DataChoice("embedded", "0", CLASSES),
    Limits(2.5),
    LatencySettings("openvino"),
    ProxyChoice("cpu", 10, 4, 0),
    "gp",
)


def evaluation(architecture: Architecture, latency_ms: float) -> Evaluation:
    latency = Latency(
        latency_ms=latency_ms,
        low_ms=latency_ms * 0.99,
        high_ms=latency_ms * 1.01,
        seconds=1.0,
        processes=1,
        slices_ms=(latency_ms,),
        samples=(),
        dropped={},
        conditions={},
        calibration="",
        settings=LatencySettings("openvino"),
        imgsz=architecture.imgsz,
        level="screening",
        key={},
    )
    return Evaluation(
        architecture, "rejected", (Violation("latency", "slow"),), 1000, 0.1, "formula", 4000, latency, None, {}
    )


def store(folder: Path, count: int, speed: float = 1.0) -> None:
    """A search that has measured `count` designs; the work of each lies in the cache folder already."""
    space, rng = load_space("ghostv2-n"), random.Random(0)
    study = StoredStudy(folder, SETTINGS, {d.name: len(d.choices) for d in space.dimensions})
    for work in designs(count, 0):
        point = space.sample(rng)
        design = space.decode(point)
        known.keep(known.entry_name(design, CLASSES), work)
        number = study.start(point, design.key, "random")
        study.finish(number, evaluation(design, speed * float(np.dot(work.amounts, HERE))))
    study.close()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")


def ask(*words: str) -> str:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(predict)
    done = CliRunner().invoke(app, list(words))
    if isinstance(done.exception, GhostnasError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.slow
def test_a_detector_is_predicted_from_a_search(tmp_path: Path, tiny_onnx: Path) -> None:
    store(tmp_path / "run", 20)
    (answer,) = (found := json.loads(ask(str(tiny_onnx), "--from", str(tmp_path / "run"), "--json")))["predictions"]
    truth = float(np.dot(graph_features(tiny_onnx.read_bytes()).amounts, HERE))
    assert answer["latency_low_ms"] < truth < answer["latency_high_ms"]
    assert answer["latency_low_ms"] < answer["latency_ms"] < answer["latency_high_ms"]
    assert (found["samples"], found["measured"], found["runtime"]) == (20, False, "openvino")


@pytest.mark.slow
def test_the_table_says_that_nothing_was_measured(tmp_path: Path, tiny_onnx: Path) -> None:
    store(tmp_path / "run", 9)
    text = ask(str(tiny_onnx), "--from", str(tmp_path / "run"))
    assert "Predicted from 9 measurements, not measured: openvino, float32, threads: 1" in text


@pytest.mark.slow
def test_four_measurements_are_enough_beside_another_run(tmp_path: Path, tiny_onnx: Path) -> None:
    store(tmp_path / "here", 20)
    store(tmp_path / "there", 4, speed=3.0)
    words = (str(tiny_onnx), "--json", "--from", str(tmp_path / "there"))
    with pytest.raises(LatencyError, match="at least 8 measured models, got 4"):
        ask(*words)
    found = json.loads(ask(*words, "--carry", str(tmp_path / "here")))
    truth = 3.0 * float(np.dot(graph_features(tiny_onnx.read_bytes()).amounts, HERE))
    assert found["samples"] == 4
    assert found["predictions"][0]["latency_low_ms"] < truth < found["predictions"][0]["latency_high_ms"]


@pytest.mark.slow
def test_no_more_than_most_are_used(tmp_path: Path, tiny_onnx: Path) -> None:
    store(tmp_path / "run", 12)
    assert json.loads(ask(str(tiny_onnx), "--from", str(tmp_path / "run"), "--most", "8", "--json"))["samples"] == 8


def test_a_run_that_is_not_there_is_refused(tmp_path: Path, tiny_onnx: Path) -> None:
    with pytest.raises(StudyError, match="no run"):
        ask(str(tiny_onnx), "--from", "nowhere", "--out", str(tmp_path))


@pytest.mark.slow
def test_features_are_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    design = load_space("ghostv2-n").smallest()[0]
    first = known.features_of(design, CLASSES)
    assert sum(amount > 0 for amount in first.amounts) > len(TERMS) / 2
    monkeypatch.setattr(known, "features", lambda onnx: Features((0.0,) * len(TERMS)))
    assert known.features_of(design, CLASSES) == first
    assert known.features_of(design, CLASSES + 1) != first  # Another graph: counted anew.


@pytest.mark.slow
def test_a_users_onnx_file_with_free_sizes_and_weights_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path / "run", 9)
    path = external(tmp_path / "model" / "m.onnx", inputs=[value("images", ["n", 3, "h", "w"])])
    monkeypatch.chdir(tmp_path)
    whole = graph_features(conv(inputs=[value("images", (1, 3, 64, 64))]).SerializeToString())
    assert features_of(find_model(str(path)), 64) == whole
    assert json.loads(ask(str(path), "--from", "run", "--imgsz", "64", "--json"))["predictions"][0]["imgsz"] == 64
    with pytest.raises(ModelError, match=r"odd\.onnx: the latency predictor cannot read .* IR version: 99"):
        ask(str(written(conv(ir=99), tmp_path / "odd.onnx")), "--from", "run")
