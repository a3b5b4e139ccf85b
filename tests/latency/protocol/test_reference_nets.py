"""The frozen references: the same bytes everywhere and always, the same function in every form."""

import hashlib

import numpy as np
import onnxruntime
import pytest
import torch

from nas.latency.protocol.reference_nets import COMPUTE, MEMORY, Reference, reference_module, reference_onnx
from nas.latency.runtimes.session import image

FROZEN = {
    COMPUTE: "60d94bb81a9c873be6e5b0928dd8ec38d9837afac78bd785d54bc48328565773",
    MEMORY: "e1fda31cbaf2434b1792173c07d3e9614fd8cc957e2c85afffe54584803cedd9",
}
"""Every calibration and every stored latency hangs on these; a change of them is a change of the unit."""


@pytest.mark.parametrize("reference", FROZEN, ids=lambda reference: reference.name)
def test_the_bytes_are_frozen(reference: Reference) -> None:
    assert hashlib.sha256(reference_onnx(reference)).hexdigest() == FROZEN[reference]


@pytest.mark.parametrize("reference", FROZEN, ids=lambda reference: reference.name)
def test_graph_and_module_are_one_function(reference: Reference) -> None:
    picture = image(reference.imgsz)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(reference_onnx(reference), options, providers=["CPUExecutionProvider"])
    (ours,) = session.run(None, {"images": picture})
    with torch.inference_mode():
        theirs = reference_module(reference)(torch.from_numpy(picture)).numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-4
    # The signal neither fades nor grows on its way: no subnormal numbers, no infinities.
    assert 0.01 < np.abs(ours).mean() < 100


def _work(reference: Reference) -> tuple[int, int]:
    """Bytes of weights, and multiply-adds."""
    module = reference_module(reference)
    macs = 0

    def count(conv: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal macs
        assert isinstance(conv, torch.nn.Conv2d)
        macs += output.numel() * conv.weight[0].numel()

    for part in module.modules():
        if isinstance(part, torch.nn.Conv2d):
            part.register_forward_hook(count)
    with torch.inference_mode():
        module(torch.zeros(1, 3, reference.imgsz, reference.imgsz))
    return sum(parameter.numel() * 4 for parameter in module.parameters()), macs


def test_memory_streams_more_weights_for_its_arithmetic() -> None:
    compute_bytes, compute_macs = _work(COMPUTE)
    memory_bytes, memory_macs = _work(MEMORY)
    assert compute_bytes < 2**20 < 8 * 2**20 < memory_bytes  # a core's own cache; more than that
    assert memory_bytes / memory_macs > 1.5 * compute_bytes / compute_macs
    assert len(reference_onnx(MEMORY)) == pytest.approx(memory_bytes, rel=0.01)
