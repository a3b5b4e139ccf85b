"""Proxies: short trainings that rank designs, their score and their cost."""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.proxy.augment import augmented, plain_images
    from nas.proxy.batch_order import Order
    from nas.proxy.best_rate import Trained, at_best_rate
    from nas.proxy.device import TrainingLock, check_computes, find_device, find_precision, passing, settle
    from nas.proxy.ema import recalibrate
    from nas.proxy.grouped_ap import SIZES, ap_by_class, ap_by_size, partners
    from nas.proxy.loss import check_strides, loss_of
    from nas.proxy.pretrained import load_known
    from nas.proxy.resume_state import StateFile
    from nas.proxy.settings import (
        BASELINE_RATES,
        DEFAULT_STEPS,
        FINE_TUNING,
        SELF_STEPS,
        SOURCE_STEPS,
        ProxyResult,
        ProxySettings,
        Score,
        steps_for_epochs,
    )
    from nas.proxy.train import descend, learning_rate, optimizer_of, set_learning_rate, train_proxy
    from nas.proxy.validation import Detected, Matched, detect, matched, matches, score_of, validate

__getattr__ = lazy(
    __name__,
    {
        "augment": (
            "augmented",
            "plain_images",
        ),
        "batch_order": ("Order",),
        "best_rate": (
            "Trained",
            "at_best_rate",
        ),
        "device": (
            "TrainingLock",
            "check_computes",
            "find_device",
            "find_precision",
            "passing",
            "settle",
        ),
        "ema": ("recalibrate",),
        "grouped_ap": (
            "SIZES",
            "ap_by_class",
            "ap_by_size",
            "partners",
        ),
        "loss": (
            "check_strides",
            "loss_of",
        ),
        "pretrained": ("load_known",),
        "resume_state": ("StateFile",),
        "settings": (
            "BASELINE_RATES",
            "DEFAULT_STEPS",
            "FINE_TUNING",
            "SELF_STEPS",
            "SOURCE_STEPS",
            "ProxyResult",
            "ProxySettings",
            "Score",
            "steps_for_epochs",
        ),
        "train": (
            "descend",
            "learning_rate",
            "optimizer_of",
            "set_learning_rate",
            "train_proxy",
        ),
        "validation": (
            "Detected",
            "Matched",
            "detect",
            "matched",
            "matches",
            "score_of",
            "validate",
        ),
    },
)
