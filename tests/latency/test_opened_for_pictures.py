"""An exported file as a detector gives what its module gives, one picture at a time."""

import numpy as np
import pytest
import torch

from nas.errors import LatencyError
from nas.latency import LatencySettings
from nas.latency.artifacts.model_bytes import ModelBytes, SizedModel
from nas.latency.outputs import opened_for_pictures
from nas.latency.protocol.reference_nets import COMPUTE, reference_module, reference_onnx
from tests.latency.conftest import IMGSZ


def test_a_batch_of_pictures_is_answered_as_torch_answers_it() -> None:
    # A reference network, because an untrained detector says nearly the same of every picture.
    file = SizedModel(ModelBytes("onnx", reference_onnx(COMPUTE)), COMPUTE.imgsz)
    noise = np.random.default_rng(0).random((3, COMPUTE.imgsz, COMPUTE.imgsz), dtype=np.float32)
    pictures = np.stack([np.zeros_like(noise), noise, np.ones_like(noise)])
    with opened_for_pictures(file, LatencySettings(scope="+copies")) as predict:
        found, again = predict(pictures), predict(pictures[::-1])
    with torch.inference_mode():
        expected = reference_module(COMPUTE)(torch.from_numpy(pictures)).numpy()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(found[0] - found[1]).max() > 2e-4 < np.abs(found[1] - found[2]).max()
    assert (again == found[::-1]).all()


def test_a_file_that_does_not_run() -> None:
    with (
        pytest.raises(LatencyError, match="cannot load the model"),
        opened_for_pictures(SizedModel(ModelBytes("onnx", b"rubbish"), IMGSZ), LatencySettings()),
    ):
        pass
