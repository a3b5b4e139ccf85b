"""The cache of measured latencies: equal keys only, with their age, and never a broken file."""

from dataclasses import replace
from pathlib import Path

import pytest

from nas.latency import Latency, LatencySettings, cache
from nas.latency.agent.handlers import key
from nas.latency.measure import Comparison
from nas.latency.protocol.estimate import Ratio

CALIBRATED = "0123456789ab"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path))


def _latency(digest: str) -> Latency:
    settings = LatencySettings()
    return Latency(
        latency_ms=2.4,
        low_ms=2.38,
        high_ms=2.45,
        seconds=0.9,
        processes=3,
        slices_ms=(2.4,),
        samples=(((2.4,), (0.35,), (2.0,)),),
        dropped={},
        conditions={"clock": 1.0},
        calibration=CALIBRATED,
        settings=settings,
        imgsz=128,
        level="finalist",
        key=key(digest, 128, settings),
    )


@pytest.fixture
def latency() -> Latency:
    return _latency("ab")


def _alone(latency: Latency) -> Comparison:
    return Comparison((latency,), (Ratio(1.0, 1.0, 1.0),))


def test_what_was_kept_is_found_with_its_age(latency: Latency) -> None:
    cache.keep(_alone(latency))
    found = cache.find([latency.key], "finalist", CALIBRATED)
    assert found is not None
    assert found[0] == _alone(latency)
    assert 0 <= found[1] < 60


def test_models_that_were_measured_together_are_found_together() -> None:
    both = Comparison((_latency("ab"), _latency("cd")), (Ratio(1.0, 1.0, 1.0), Ratio(1.1, 1.05, 1.15)))
    keys = [one.key for one in both.latencies]
    cache.keep(both)
    found = cache.find(keys, "finalist", CALIBRATED)
    assert found is not None and found[0] == both
    # Ratios are to the first model, and of one measurement.
    assert cache.find(keys[::-1], "finalist", CALIBRATED) is None
    assert cache.find(keys[:1], "finalist", CALIBRATED) is None


def test_a_percentile_has_no_ratios(latency: Latency) -> None:
    seen = Comparison((replace(latency, calibration="", key={**latency.key, "statistic": "p95"}),), None)
    cache.keep(seen)
    found = cache.find([seen.latencies[0].key], "finalist", "")
    assert found is not None and found[0].ratios is None


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
        {"statistic": "p95"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_other_key_is_not_served(latency: Latency, change: dict[str, object]) -> None:
    assert set(change) <= set(latency.key)
    cache.keep(_alone(latency))
    assert cache.find([{**latency.key, **change}], "finalist", CALIBRATED) is None


def test_a_screening_is_no_finalist(latency: Latency) -> None:
    cache.keep(_alone(replace(latency, level="screening")))
    assert cache.find([latency.key], "finalist", CALIBRATED) is None


def test_another_calibration_is_another_unit(latency: Latency) -> None:
    cache.keep(_alone(latency))
    assert cache.find([latency.key], "finalist", "ba9876543210") is None


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"measured_at": 1}', '{"measured_at": 1, "latencies": [{"x": 1}], "ratios": null}', "\xff"],
)
def test_a_broken_file_is_as_good_as_none(latency: Latency, content: str) -> None:
    cache.keep(_alone(latency)).write_bytes(content.encode("latin-1"))
    assert cache.find([latency.key], "finalist", CALIBRATED) is None


def test_a_newer_one_replaces_an_older(latency: Latency) -> None:
    first = cache.keep(_alone(latency))
    assert cache.keep(_alone(replace(latency, latency_ms=2.41))) == first
    found = cache.find([latency.key], "finalist", CALIBRATED)
    assert found is not None
    assert found[0].latencies[0].latency_ms == 2.41
    assert [path.name for path in first.parent.iterdir()] == [first.name]
