"""Settings are checked, and load no torch."""

import subprocess
import sys

import pytest

from nas.errors import UsageError
from nas.proxy import ProxySettings, steps_for_epochs


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"batch": 0},
        {"threads": 0},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"horizon": 0.5},
        {"warmup": 1.0},
        {"ema": -0.1},
        {"augment": 1.5},
        {"first_boxes": 0.0},
        {"lr_inputs": -1.0},
        {"precision": "float16"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"`{next(iter(wrong))}` must"):
        ProxySettings(**wrong)  # type: ignore[arg-type]


def test_epochs_become_steps() -> None:
    assert steps_for_epochs(2, pictures=164, batch=16) == 20
    assert steps_for_epochs(0.01, pictures=164, batch=16) == 1


@pytest.mark.parametrize("epochs", [-1, 0, float("inf"), float("nan")])
def test_epochs_are_checked(epochs: float) -> None:
    with pytest.raises(UsageError, match=f"epochs must be a number above zero, got {epochs:g}"):
        steps_for_epochs(epochs, 164, 16)


def test_values_load_no_torch() -> None:
    code = "import sys, nas.proxy; nas.proxy.ProxySettings(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
