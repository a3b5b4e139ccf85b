"""The cache of measured latencies: equal keys only, with their age, and never a broken file."""

from dataclasses import replace
from pathlib import Path

import pytest

from nas.latency import Latency, LatencySettings, cache
from nas.latency.local import key


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path))


@pytest.fixture
def latency() -> Latency:
    settings = LatencySettings()
    return Latency(2.4, 2.38, 2.45, 0.9, (2.4,), {}, settings, 128, "finalist", dict(key("ab", 128, settings)))


def test_what_was_kept_is_found_with_its_age(latency: Latency) -> None:
    cache.keep(latency)
    found = cache.find(latency.key, "finalist")
    assert found is not None
    assert found[0] == latency
    assert 0 <= found[1] < 60


@pytest.mark.parametrize(
    "change",
    [
        {"model": "cd"},
        {"device": "another"},
        {"runtime": "openvino"},
        {"runtime_version": "0"},
        {"threads": 2},
        {"precision": "bfloat16"},
        {"input_shape": [1, 3, 160, 160]},
        {"scope": "+nms"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_other_key_is_not_served(latency: Latency, change: dict[str, object]) -> None:
    cache.keep(latency)
    assert cache.find({**latency.key, **change}, "finalist") is None


def test_a_screening_is_no_finalist(latency: Latency) -> None:
    cache.keep(replace(latency, level="screening"))
    assert cache.find(latency.key, "finalist") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"measured_at": 1}', '{"measured_at": 1, "latency": {"x": 1}}'])
def test_a_broken_file_is_as_good_as_none(latency: Latency, content: str) -> None:
    cache.keep(latency).write_text(content)
    assert cache.find(latency.key, "finalist") is None


def test_a_newer_one_replaces_an_older(latency: Latency) -> None:
    first = cache.keep(latency)
    assert cache.keep(replace(latency, latency_ms=2.41)) == first
    found = cache.find(latency.key, "finalist")
    assert found is not None
    assert found[0].latency_ms == 2.41
    assert [path.name for path in first.parent.iterdir()] == [first.name]
