"""A real parent, trained for two steps: it is kept, and judges designs below the limits."""

from dataclasses import replace
from pathlib import Path

import pytest

from nas.architecture import Architecture
from nas.data import load
from nas.data.values import DetectionData, Split
from nas.evaluate import Limits, Task
from nas.judge import PARENT_FILE, judge, prepare_parent
from nas.latency.features import TERMS, Features
from nas.latency.predictor import Predictor, Sample
from nas.proxy import ProxySettings
from nas.space import SearchSpace


def amounts(design: Architecture) -> Features:
    """Work that grows with the input size alone: 1 ms at 96 px."""
    return Features(tuple(1e3 * design.imgsz**2 * (index + 1) for index in range(len(TERMS))))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> DetectionData:
    data = load(None)
    select = Split("select", data.select.images[:8], data.select.labels[:8], f"{data.select.key}, 8")
    few = replace(data, select=select)
    monkeypatch.setattr("nas.data.load", lambda source, fraction: few)
    monkeypatch.setattr("nas.judge.features_of", lambda design, classes: amounts(design))
    return few


def test_a_parent_is_trained_kept_and_asked(tmp_path: Path, space: SearchSpace, task: Task, few: DetectionData) -> None:
    proxy = ProxySettings(steps=50, batch=2, recalibration=4)
    task = replace(task, folder=tmp_path, proxy=proxy, classes=few.nc, limits=Limits(2.0))
    assert prepare_parent(space, 2, task) > 0
    assert (tmp_path / PARENT_FILE).stat().st_size > 1e6 and not list(tmp_path.glob("*.part"))
    small, large = space.smallest()[0], replace(space.smallest()[0], imgsz=160)
    designs = [replace(small, imgsz=size, neck_width=width) for size in (96, 128, 160) for width in (16, 24, 32)]
    predictor = Predictor.fit([Sample(amounts(d), (d.imgsz / 96) ** 2, 0.005) for d in designs])
    fast, slow = judge(space, (small, large), predictor, task)
    assert fast.score is not None and 0 <= fast.score <= 1 and fast.latency_ms == pytest.approx(1, rel=0.05)
    assert slow.score is None and slow.latency_ms == pytest.approx(2.8, rel=0.05)
    assert judge(space, (small,), predictor, task) == (fast,)
    (heavy,) = judge(space, (small,), predictor, replace(task, limits=Limits(2.0, max_params=10_000)))
    assert heavy.score is None and heavy.latency_ms == fast.latency_ms
