"""How every design of the comparison trains: the product's loop, from scratch or from a tuned source."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.headline.plan import Plan
from nas.data import DetectionData
from nas.inherit import TAUGHT_STEPS, begin, how_to_tune, tune
from nas.model import Losses, build
from nas.proxy import BASELINE_RATES, FINE_TUNING, ProxySettings, Trained, at_best_rate, train_proxy
from nas.util.machine_lock import MachineLock


def tuned_source(plan: Plan, checkpoint: Path, settings: dict[str, Any]) -> Path:
    """A checkpoint tuned on the data as in a search from it, or what that search left in the cache folder.

    Args:
        plan: The comparison.
        checkpoint: What is tuned.
        settings: Of the search, as its `run.json` has them.
    """
    losses = Losses(settings["class_loss"], settings["box_loss"])
    how = how_to_tune(settings["source_steps"], plan.device, settings["batch"], losses)
    return tune(checkpoint, plan.data, max(settings["imgsz"]), how, MachineLock()).file


def rates_of(tuned: Path | None) -> tuple[float, ...]:
    """The learning rates of which a design takes the better: those of the product's baselines, or one from scratch."""
    return (ProxySettings().lr,) if tuned is None else BASELINE_RATES


def trained(
    yaml: str,
    imgsz: int,
    data: DetectionData,
    tuned: Path | None,
    steps: int,
    seed: int,
    device: str,
    rates: Sequence[float],
) -> Trained:
    """Train a design at the best of some learning rates by the selection part.

    Args:
        yaml: Text of its model YAML.
        imgsz: Side of the square input in pixels.
        data: The data set.
        tuned: File of the tuned source that it inherits from; None from scratch.
        steps: Optimiser steps.
        seed: Of fresh weights and of the training.
        device: Where.
        rates: The learning rates.

    Raises:
        ProxyError: There is no score at any rate.
    """
    base = ProxySettings() if tuned is None else FINE_TUNING
    asked = replace(base.longer(steps), seed=seed, device=device)

    def train(lr: float) -> Trained:
        lock = MachineLock()
        with lock.training():
            model = build(yaml, data.nc, seed=seed)
        share = None if tuned is None else begin(model, tuned, data, imgsz, TAUGHT_STEPS, lock)
        result, final = train_proxy(model, data, imgsz, replace(asked, lr=lr), lock)
        return Trained(result, final, lr, share)

    return at_best_rate(tuple(rates), train, lambda why: print(why, flush=True))
