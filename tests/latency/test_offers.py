"""What can be asked of which runtime; every impossible wish says what is possible."""

import pytest

from nas.errors import UsageError
from nas.latency import LatencySettings
from nas.latency.artifacts.prepare import TAKES
from nas.latency.types import OFFERS, PRECISIONS, RUNTIMES


@pytest.mark.parametrize(
    ("runtime", "precision", "device", "message"),
    [
        (
            "torch",
            "int8",
            "cpu",
            "measures in float32, bfloat16 on cpu, got precision 'int8'; int8 runs in onnxruntime",
        ),
        ("torch", "float16", "cpu", "float16 runs in ncnn, torch on cuda"),
        ("onnxruntime", "float16", "cpu", "float16 runs in ncnn, onnxruntime on cuda"),
        ("onnxruntime", "int8", "cuda:0", "int8 runs in tensorrt, onnxruntime on cpu"),
        ("openvino", "float16", "cpu", "measures in float32, bfloat16, int8 on cpu"),
        ("ncnn", "float32", "cuda:0", "runtime ncnn runs on cpu, got device cuda:0; on cuda there are onnxruntime"),
        ("openvino", "float32", "cuda:0", "runs on cpu"),
        ("tensorrt", "float16", "cpu", "runtime tensorrt runs on cuda, got device cpu; on cpu there are onnxruntime"),
        ("torch-cudagraph", "float32", "cpu", "runs on cuda"),
        ("tensorrt", "bfloat16", "cuda:0", "bfloat16 runs in torch, torch-cudagraph"),
        ("torch", "float8", "cpu", "measures in float32, bfloat16 on cpu, got precision 'float8'$"),
        ("torch", "float32", "cuda", "cpu or cuda:N"),
        ("torch", "float32", "gpu:0", "cpu or cuda:N"),
    ],
)
def test_what_no_runtime_can_do(runtime: str, precision: str, device: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        LatencySettings(runtime, precision, device=device)


def test_every_offer_is_accepted_and_has_a_file() -> None:
    for runtime, places in OFFERS.items():
        for kind, precisions in places.items():
            for precision in precisions:
                settings = LatencySettings(runtime, precision, device="cpu" if kind == "cpu" else "cuda:1")
                assert precision in PRECISIONS[settings.runtime]
    assert set(RUNTIMES) == set(TAKES) == set(OFFERS)
    assert all(precisions[0] == "float32" for precisions in PRECISIONS.values())
