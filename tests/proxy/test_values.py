"""Settings are checked, survive JSON, and load no torch."""

import json
import subprocess
import sys

import pytest

from nas.errors import UsageError
from nas.proxy import ProxyResult, ProxySettings, Score, steps_for_epochs


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


def test_values_survive_json() -> None:
    settings = ProxySettings(steps=7, seed=3).with_steps(9)
    result = ProxyResult(Score(0.25, 0.5), 9, 1.5, 4.0, "float32", settings)
    assert ProxySettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    assert ProxyResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_epochs_become_steps() -> None:
    assert steps_for_epochs(2, pictures=164, batch=16) == 20
    assert steps_for_epochs(0.01, pictures=164, batch=16) == 1
    with pytest.raises(UsageError, match="epochs must be above zero, got -1"):
        steps_for_epochs(-1, 164, 16)


def test_values_load_no_torch() -> None:
    code = "import sys, nas.proxy; nas.proxy.ProxySettings(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
