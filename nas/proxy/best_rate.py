"""A training at the best of several learning rates."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.errors import ProxyError

if TYPE_CHECKING:
    from torch import nn

    from nas.proxy import ProxyResult


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training.

    Attributes:
        result: What it gave.
        model: The trained model.
        lr: Its learning rate.
        inherited: Share of the parameters that began with known weights; None from scratch.
    """

    result: "ProxyResult"
    model: "nn.Module"
    lr: float
    inherited: float | None


def at_best_rate(
    rates: tuple[float, ...], train: Callable[[float], Trained], on_failure: Callable[[str], None]
) -> Trained:
    """Train at each learning rate; the best by the selection part, the first of equals.

    A rate at which there is no score, because the training diverges, is not the best.

    Args:
        rates: The learning rates, at least one.
        train: What trains at one of them, each time from the beginning.
        on_failure: Called with why a rate has no score, where others have one.

    Raises:
        ProxyError: There is no score at any rate.
    """
    found: list[Trained] = []
    error: ProxyError | None = None
    for lr in rates:
        try:
            found.append(train(lr))
        except ProxyError as raised:
            error = raised
            if len(rates) > 1:
                on_failure(f"no score at learning rate {lr:g}: {raised}")
        else:
            found = [max(found, key=lambda one: one.result.score.map50_95)]  # the other's model is let go
    if not found:
        raise error or ValueError("there is no learning rate to train at")
    return found[0]
