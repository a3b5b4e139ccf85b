"""The room's values: checked when made, the same after a trip through JSON."""

import json

import pytest

from nas.errors import UsageError
from nas.latency import Latency, LatencySettings, Subject, available_runtimes, resolve_level, resolve_runtime

_LATENCY = Latency(
    latency_ms=2.4,
    low_ms=2.38,
    high_ms=2.45,
    seconds=0.9,
    blocks=(2.4, 2.38, 2.45),
    dropped={"runs_preempted": 1, "blocks_stolen": 0},
    settings=LatencySettings("openvino", "bfloat16", 2),
    imgsz=128,
    level="finalist",
    key={"model": "ab", "input_shape": [1, 3, 128, 128]},
)


def test_a_latency_survives_json() -> None:
    assert Latency.from_dict(json.loads(json.dumps(_LATENCY.to_dict()))) == _LATENCY


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
        ({"runtime": "tflite9"}, "must be one of auto, onnxruntime, openvino, torch; got 'tflite9'"),
        ({"precision": "bfloat16"}, "onnxruntime measures in float32, got precision 'bfloat16'"),
        ({"precision": "int3"}, "got precision 'int3'"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"device": "gpu"}, "device must be cpu or cuda:N"),
        ({"device": "cuda"}, "device must be cpu or cuda:N"),
        ({"runtime": "openvino", "device": "cuda:0"}, "openvino runs on the CPU"),
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
    assert list(runtimes) == ["onnxruntime", "openvino", "torch"]
    assert all(text[0].isdigit() or text.startswith("pip install") for text in runtimes.values())


def test_a_subjects_digest_is_that_of_its_content(tiny: Subject) -> None:
    assert tiny.digest == Subject(64, tiny.onnx).digest
    module = Subject(64, module=tiny.module).digest
    assert module == Subject(64, module=tiny.module).digest != tiny.digest
