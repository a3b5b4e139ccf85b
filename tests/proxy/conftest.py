"""Small real models and small real data for proxies."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from nas.data import DetectionData, load
from nas.data.synthetic import embedded

MakeModel = Callable[..., nn.Module]


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> DetectionData:
    """A small embedded set of the test run's own: 72 training pictures, 36 to select on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHOSTNAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(embedded, "PICTURES", {"train": 108, "val": 12})
        patch.setattr(embedded, "SET_NAME", "embedded-small")
        return load(None)


@pytest.fixture
def make_model() -> MakeModel:
    """A maker of seeded YOLO11 models an eighth as wide as YOLO11n."""

    def make(nc: int = 6, seed: int = 0, width: float = 0.0625) -> nn.Module:
        import ultralytics
        import yaml
        from ultralytics.nn.tasks import DetectionModel

        stock = Path(ultralytics.__file__).parent / "cfg" / "models" / "11" / "yolo11.yaml"
        config = yaml.safe_load(stock.read_text())
        config |= {"nc": nc, "scale": "n", "scales": {"n": [0.5, width, 1024]}}
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model: nn.Module = DetectionModel(config, verbose=False)
        return model

    return make
