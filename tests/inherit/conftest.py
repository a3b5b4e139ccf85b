"""Sources for inheritance: untrained detectors whose every number is drawn, so that no mistake cancels out."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from nas.architecture.architecture import Architecture
from nas.architecture.ultralytics_yaml import to_yaml
from nas.model.builder import build
from nas.space.reference_designs import yolo11

NC = 5


def detector(arch: Architecture, nc: int = NC, seed: int = 0) -> nn.Module:
    """A design as it is built, in evaluation mode and float64, where rounding hides nothing."""
    return build(to_yaml(arch, nc), seed=seed).double().eval()


@torch.no_grad()
def randomised(model: nn.Module, seed: int = 1) -> nn.Module:
    """Every BatchNorm and bias drawn; statistics as the random weights have them."""
    random = torch.Generator().manual_seed(seed)
    norms = [one for one in model.modules() if isinstance(one, nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.uniform_(0.3, 1.5, generator=random)
        norm.bias.normal_(0, 0.3, generator=random)
        norm.reset_running_stats()
        norm.momentum = None
    for one in model.modules():
        if isinstance(one, nn.Conv2d) and one.bias is not None:
            one.bias.add_(torch.randn(one.bias.shape, generator=random) * 0.3)
    model.train()
    model(torch.rand(8, 3, 64, 64, generator=random, dtype=torch.float64))
    for norm in norms:
        norm.momentum = 0.03
    return model.eval()


@torch.no_grad()
def outputs(model: nn.Module, imgsz: int = 64) -> Tensor:
    """Boxes in pixels and class scores on drawn pictures."""
    random = torch.Generator().manual_seed(5)
    out = model(torch.rand(2, 3, imgsz, imgsz, generator=random, dtype=torch.float64))
    return out[0] if isinstance(out, tuple) else out


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def yolo11n() -> nn.Module:
    """YOLO11n with drawn numbers; not to be changed."""
    return randomised(detector(yolo11("n", 64)))


@pytest.fixture(scope="session")
def half() -> nn.Module:
    """The same at half of its width."""
    return randomised(detector(yolo11("n", 64, 0.5)))
