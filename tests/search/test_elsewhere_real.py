"""A search in PostgreSQL, with real trainings, that goes on without its results folder; latencies follow from sizes."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from nas.cli.search_progress import ConsoleReporter
from nas.latency import Comparison, Latency, LatencyDevice, SizedModel
from nas.search.effort import Rung
from nas.search.run import run_search
from nas.space.reference_designs import yolo11
from tests.postgres_server import ENCODED, PASSWORD
from tests.search.conftest import CALIBRATION, formula_latency
from tests.search.test_rungs_real import request


@pytest.fixture
def by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latencies that follow from the size of a file."""

    def latency(device: LatencyDevice, model: SizedModel, level: str) -> Latency:
        from types import SimpleNamespace

        ms = 1 + len(model.model.data) / 1e6
        known = formula_latency(yolo11("n", 64), SimpleNamespace(latency=device.settings))  # type: ignore[arg-type]
        return replace(known, latency_ms=ms, low_ms=ms * 0.99, high_ms=ms * 1.01, level=level, imgsz=model.imgsz)

    def compare(device: LatencyDevice, models: Sequence[SizedModel]) -> Comparison:
        return Comparison(tuple(latency(device, one, "finalist") for one in models), None)

    monkeypatch.setattr(LatencyDevice, "calibrated", lambda self: replace(self, calibration=CALIBRATION))
    monkeypatch.setattr(LatencyDevice, "screen", lambda self, model, target: latency(self, model, "screening"))
    monkeypatch.setattr(LatencyDevice, "compare", compare)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_scores_stay_and_needed_weights_are_trained_again(
    tmp_path: Path, database: str, by_size: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    monkeypatch.setattr(sys, "argv", ["ghostnas", "search", "--storage", database])
    with ConsoleReporter() as reporter:
        first = run_search(replace(request(here, Rung(4, 1)), storage=database), reporter)
    folder = here / "long"
    assert first.retrained == () and (folder / "best.pt").is_file() and not (folder / "study.db").exists()
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert ENCODED.encode() not in content and PASSWORD.encode() not in content, path
    assert "postgresql://ghost:***@127.0.0.1" in (folder / "report.md").read_text()
    shutil.rmtree(here)

    with ConsoleReporter() as reporter:
        second = run_search(replace(request(there, Rung(4, 1)), storage=database), reporter)
    assert "it is trained again, and its score stays" in capsys.readouterr().out
    assert [*second.records] == [*first.records] and [*second.baseline_records] == [*first.baseline_records]
    assert second.rungs == first.rungs and second.best is not None
    folder = there / "long"
    promoted = {f"{label}-4" for label in second.standing[0].promoted}
    assert promoted <= set(second.retrained)
    assert f"trained again: {', '.join(second.retrained)}." in (folder / "report.md").read_text()
    assert (folder / "best.pt").is_file() and (folder / "best.onnx").is_file()
    assert {path.stem for path in (folder / "models").glob("*.yaml")} >= {one.label for one in first.records}

    with ConsoleReporter() as reporter:
        third = run_search(replace(request(there, Rung(4, 1)), storage=database), reporter)
    assert third.retrained == second.retrained and "trained again, and" not in capsys.readouterr().out
