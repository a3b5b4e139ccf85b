"""Proxies: a short training from scratch that ranks designs, its score and its cost.

Values come at once; the training and the score load torch and Ultralytics on first use.
"""

from typing import TYPE_CHECKING, Any

from nas.proxy.settings import (
    BASELINE_RATES,
    DEFAULT_STEPS,
    FINE_TUNING,
    LAST_RUNG,
    SOURCE_STEPS,
    ProxyResult,
    ProxySettings,
    Score,
    steps_for_epochs,
)

if TYPE_CHECKING:
    from nas.proxy.train import train_proxy
    from nas.proxy.validation import evaluate

__all__ = [
    "BASELINE_RATES",
    "DEFAULT_STEPS",
    "FINE_TUNING",
    "LAST_RUNG",
    "SOURCE_STEPS",
    "ProxyResult",
    "ProxySettings",
    "Score",
    "evaluate",
    "steps_for_epochs",
    "train_proxy",
]


def __getattr__(name: str) -> Any:
    if name == "train_proxy":
        from nas.proxy.train import train_proxy

        return train_proxy
    if name == "evaluate":
        from nas.proxy.validation import evaluate

        return evaluate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
