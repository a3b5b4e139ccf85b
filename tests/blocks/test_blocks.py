"""Ghost modules, DFC attention and the bottleneck one by one: shapes, edges, formulas, ONNX."""

import io
import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nas.blocks.bottleneck import GhostBottleneckV2
from nas.blocks.dfc import DFCAttention
from nas.blocks.ghost import GhostModule, GhostModuleV2
from nas.blocks.squeeze import SqueezeExcite, divisible
from tests.blocks.reference import randomise_batch_norm


@pytest.mark.parametrize("c2", [1, 7, 16, 25])
@pytest.mark.parametrize("ratio", [1, 2, 3, 4])
def test_ghost_module_keeps_the_first_c2_channels(c2: int, ratio: int) -> None:
    module = GhostModule(5, c2, ratio=ratio).eval()
    x = torch.rand(1, 5, 9, 7)
    out = module(x)
    assert out.shape == (1, c2, 9, 7)
    primary = module.primary_conv(x)
    assert primary.shape[1] == -(-c2 // ratio)
    assert torch.equal(out[:, : primary.shape[1]], primary)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("s", [1, 2])
def test_ghost_module_v2_strides(k: int, s: int) -> None:
    out = GhostModuleV2(6, 10, k, s=s, dfc_kernel=3, dfc_pool=2)(torch.rand(2, 6, 11, 13))
    assert out.shape == (2, 10, -(-11 // s), -(-13 // s))


@pytest.mark.parametrize("pool", range(1, 9))
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 5), (7, 20), (16, 9)])
def test_dfc_equals_its_formula_at_every_pool_and_map(pool: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    dfc = DFCAttention(4, 6, 5, pool).eval()
    randomise_batch_norm(dfc)
    x = torch.rand(2, 4, *size)
    with torch.no_grad():
        weights = dfc(x, torch.empty(2, 6, *size))
        window = tuple(min(pool, side) for side in size)
        low = dfc.vertical(dfc.horizontal(dfc.reduce(F.avg_pool2d(x, window))))
        assert low.shape[-2:] == tuple(side // w for side, w in zip(size, window, strict=True))
        torch.testing.assert_close(weights, F.interpolate(low, size, mode="nearest").sigmoid())
    assert weights.min() > 0 and weights.max() < 1


@pytest.mark.parametrize("kernel", range(1, 12, 2))
def test_dfc_takes_every_odd_kernel(kernel: int) -> None:
    dfc = DFCAttention(4, 6, kernel, 2)
    assert dfc.horizontal.conv.kernel_size == (1, kernel) and dfc.vertical.conv.kernel_size == (kernel, 1)
    assert dfc(torch.rand(1, 4, 9, 7), torch.empty(1, 6, 9, 7)).shape == (1, 6, 9, 7)


def test_dfc_is_long_range() -> None:
    dfc = DFCAttention(2, 2, 11, 1).eval()
    x = torch.zeros(1, 2, 21, 21, requires_grad=True)
    dfc(x, x)[0, :, 10, 10].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(0) > 0
    assert seen.nonzero().amin(0).tolist() == [5, 5] and seen.nonzero().amax(0).tolist() == [15, 15]


@pytest.mark.parametrize(("kernel", "pool", "rule"), [(4, 2, "odd, got 4"), (0, 2, "odd, got 0"), (3, 0, "least 1")])
def test_dfc_refuses(kernel: int, pool: int, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        DFCAttention(4, 4, kernel, pool)


@pytest.mark.parametrize(("channels", "hidden"), [(8, 4), (16, 4), (72, 20), (120, 32), (672, 168), (22, 8)])
def test_squeeze_excite_reduction(channels: int, hidden: int) -> None:
    assert divisible(channels * 0.25, 4) == hidden
    module = SqueezeExcite(channels, hidden)
    assert module(torch.rand(1, channels, 5, 3)).shape == (1, channels, 5, 3)


@pytest.mark.parametrize("s", [1, 2])
@pytest.mark.parametrize(("c1", "c2"), [(8, 8), (8, 16)])
@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("dfc_kernel", [0, 7])
def test_bottleneck_shapes_shortcuts_and_gradients(s: int, c1: int, c2: int, k: int, dfc_kernel: int) -> None:
    block = GhostBottleneckV2(c1, c2, 24, s, k, dfc_kernel, 3, 0.25)
    assert (block.shortcut is None) == (s == 1 and c1 == c2)
    assert (block.depthwise is None) == (s == 1)
    assert isinstance(block.ghost1, GhostModuleV2) == bool(dfc_kernel)
    out = block(torch.rand(2, c1, 13, 9))
    assert out.shape == (2, c2, -(-13 // s), -(-9 // s))
    out.square().sum().backward()
    assert all(p.grad is not None for p in block.parameters())


def test_activation_follows_the_model_or_is_given() -> None:
    follows = GhostBottleneckV2(8, 8, 16)
    given = GhostBottleneckV2(8, 8, 16, act=nn.ReLU())
    assert isinstance(follows.ghost1.primary_conv.act, nn.SiLU)
    assert isinstance(given.ghost1.cheap_operation.act, nn.ReLU)
    assert isinstance(given.ghost2.primary_conv.act, nn.Identity)
    assert isinstance(given.ghost1.dfc.vertical.act, nn.Identity)


@pytest.mark.parametrize(
    ("size", "pool", "s"),
    [((20, 20), 2, 1), ((5, 5), 2, 1), ((5, 5), 8, 1), ((10, 6), 4, 2), ((15, 7), 3, 2), ((9, 9), 1, 2)],
)
def test_onnx_equals_torch_and_is_static(size: tuple[int, int], pool: int, s: int) -> None:
    torch.manual_seed(0)
    block = GhostBottleneckV2(8, 16, 24, s, 3, 5, pool, 0.25).eval()
    randomise_batch_norm(block)
    x, graph = torch.rand(1, 8, *size), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(block, (x,), graph, opset_version=17, dynamo=False)
    session = onnxruntime.InferenceSession(graph.getvalue(), providers=["CPUExecutionProvider"])
    (out,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(out, block(x).numpy(), atol=1e-5)
    assert all(isinstance(side, int) for side in session.get_outputs()[0].shape)
