"""The room's values: checked when made, the same after a trip through JSON."""

import json
from dataclasses import replace

import pytest

from nas.errors import UsageError
from nas.latency import RUNTIMES, Latency, LatencySettings, available_runtimes, resolve_level, resolve_runtime
from nas.latency.types import OFFERS

_LATENCY = Latency(
    latency_ms=2.4,
    low_ms=2.38,
    high_ms=2.45,
    seconds=0.9,
    processes=3,
    slices_ms=(2.4, 2.38, 2.45),
    samples=(((2.41, 2.5), (0.35, 0.36), (2.0,)), ((2.42,), (0.35,), (2.0, 2.1))),
    dropped={"runs_preempted": 1, "slices_stolen": 0},
    conditions={"clock": 1.1, "memory": 1.02, "slope": 0.4},
    calibration="ab",
    settings=LatencySettings("openvino", "bfloat16", 2, scope="+copies", place="ssh://pi@board"),
    imgsz=128,
    level="finalist",
    key={"model": "ab", "input_shape": [1, 3, 128, 128]},
)


def test_a_latency_survives_json() -> None:
    assert Latency.from_dict(json.loads(json.dumps(_LATENCY.to_dict()))) == _LATENCY


def test_raw_runs_are_stored_to_the_tenth_of_a_microsecond() -> None:
    exact = replace(_LATENCY, slices_ms=(2.4000049,), samples=(((2.41004999, 2.5), (0.35,), (2.0,)),))
    stored = exact.to_dict()
    assert stored["slices_ms"] == [2.4]
    assert stored["samples"] == [[[2.41, 2.5], [0.35], [2.0]]]
    assert stored["latency_ms"] == exact.latency_ms


@pytest.mark.parametrize(
    ("target_ms", "meets", "above"),
    [(2.5, True, False), (2.45, True, False), (2.42, False, False), (2.38, False, False), (2.3, False, True)],
)
def test_the_whole_interval_decides(target_ms: float, meets: bool, above: bool) -> None:
    assert (_LATENCY.meets(target_ms), _LATENCY.above(target_ms)) == (meets, above)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"runtime": "onnxruntme"}, "got 'onnxruntme'; did you mean 'onnxruntime'?"),
        ({"runtime": "tflite9"}, "must be one of auto, onnxruntime, openvino, ncnn, torch, torch-cudagraph, tensorrt;"),
        ({"precision": "bfloat16"}, "bfloat16 runs in openvino, torch"),
        ({"precision": "int3"}, "got precision 'int3'"),
        ({"precision": "float16"}, "float16 runs in ncnn, onnxruntime on cuda"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"device": "gpu"}, "device must be cpu or cuda:N (such as cuda:0), got 'gpu'"),
        ({"device": "cuda"}, "device must be cpu or cuda:N"),
        (
            {"runtime": "openvino", "device": "cuda:0"},
            "openvino runs on cpu, got device cuda:0; on cuda there are",
        ),
        ({"runtime": "tensorrt"}, "tensorrt runs on cuda, got device cpu; on cpu there are onnxruntime"),
        ({"scope": "+nmz"}, "scope must be one of compute, +copies, +nms; got '+nmz'; did you mean '+nms'?"),
        ({"statistic": "p99"}, "statistic must be one of quiet, p50, p95, ultralytics, mlperf-like; got 'p99'"),
        ({"sustained_s": 60.0}, "give --target-stat p50 or p95 too"),
        ({"statistic": "p95", "sustained_s": 0.0}, "--sustained must be longer than nothing, got 0 s"),
        ({"statistic": "p95", "sustained_s": float("nan")}, "--sustained must be longer than nothing"),
    ],
)
def test_settings_that_nothing_can_honour(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        LatencySettings(**settings)  # type: ignore[arg-type]
    assert message in str(raised.value)


def test_auto_is_onnxruntime() -> None:
    assert resolve_runtime("auto") == LatencySettings("auto").runtime == LatencySettings().runtime == "onnxruntime"


def test_an_unknown_level() -> None:
    with pytest.raises(UsageError, match="screening, finalist; got 'quick'"):
        resolve_level("quick")


def test_every_runtime_has_a_version_or_a_command() -> None:
    runtimes = available_runtimes()
    assert list(runtimes) == list(RUNTIMES)
    assert all(text[0].isdigit() or text.startswith("pip install") for text in runtimes.values())


@pytest.mark.parametrize(
    ("runtime", "kind", "precision"),
    [(runtime, kind, one) for runtime, places in OFFERS.items() for kind, known in places.items() for one in known],
)
def test_what_is_offered_can_be_asked_for(runtime: str, kind: str, precision: str) -> None:
    device = {"cpu": "cpu", "cuda": "cuda:0"}[kind]
    settings = LatencySettings(runtime, precision, device=device)
    assert (settings.runtime, settings.precision, settings.device) == (runtime, precision, device)
