"""The spread of arms' means and of their differences: searches are drawn, then seeds of training, then pictures.

A nested bootstrap (Davison and Hinkley 1997, section 3.8). Each draw takes of every arm as many searches as it has,
with replacement, then of each of these as many final trainings as it has, and scores all on the same drawn pictures:
what makes a picture hard for two arms cancels out in their difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.headline.matches import Matches

DRAWS = 2000

Values = NDArray[np.float64]
Searches = Sequence[Sequence[Matches]]
"""The final trainings of an arm, by the search whose winner they are of."""

Verdict = Literal["better", "worse", "not distinguishable"]


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """The mean of an arm.

    Attributes:
        mean: MAP50-95: the mean over its searches of the mean over their trainings, on the pictures as they are.
        draws: The same in each draw; draws of two arms are of the same pictures.
    """

    mean: float
    draws: Values


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two arms' means.

    Attributes:
        value: The first's less the second's.
        low: Lower end of its 95% interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """What is to be said of the first arm."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "not distinguishable"


def spreads(arms: Mapping[str, Searches], draws: int = DRAWS, seed: int = 0) -> dict[str, Spread]:
    """The means of arms, each with its draws.

    Args:
        arms: Their final trainings, by name; all on the same pictures.
        draws: Number of draws.
        seed: Of the draws.

    Raises:
        ValueError: The trainings are not of the same pictures.
    """
    every = [one for searches in arms.values() for trainings in searches for one in trainings]
    if len({(one.pictures, one.truth.tobytes(), one.truth_of.tobytes()) for one in every}) != 1:
        raise ValueError("the final trainings are to be compared on the same pictures")
    rng = np.random.default_rng(seed)
    pictures = drawn_pictures(every[0], draws, rng)
    as_they_are = np.ones((1, every[0].pictures), dtype=np.int64)
    found = {}
    for name, searches in arms.items():
        scored = [np.stack([one.map50_95(pictures) for one in trainings]) for trainings in searches]
        plain = [np.mean([one.map50_95(as_they_are)[0] for one in trainings]) for trainings in searches]
        found[name] = Spread(float(np.mean(plain)), nested(scored, rng))
    return found


def difference(first: Spread, second: Spread) -> Difference:
    """The difference of two arms of one call of `spreads`."""
    low, high = np.quantile(first.draws - second.draws, (0.025, 0.975))
    return Difference(first.mean - second.mean, float(low), float(high))


def drawn_pictures(one: Matches, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each draw has each picture, (draws, pictures); a draw without any object is drawn again."""
    found = _drawn(one.pictures, draws, rng)
    while len(empty := np.flatnonzero(found[:, one.truth_of].sum(axis=1) == 0)):
        found[empty] = _drawn(one.pictures, len(empty), rng)
    return found


def nested(scored: Sequence[Values], rng: np.random.Generator) -> Values:
    """The mean of an arm in each draw: its searches drawn, then each search's trainings.

    Args:
        scored: For each search its trainings' scores in each draw of pictures, (trainings, draws).
        rng: Draws.
    """
    draws = scored[0].shape[1]
    found = np.empty(draws)
    for draw in range(draws):
        searches = rng.integers(len(scored), size=len(scored))
        trainings = (rng.integers(len(scored[at]), size=len(scored[at])) for at in searches)
        means = [scored[at][some, draw].mean() for at, some in zip(searches, trainings, strict=True)]
        found[draw] = np.mean(means)
    return found


def _drawn(pictures: int, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(draws, pictures), each row adding up to the number of pictures."""
    return rng.multinomial(pictures, np.full(pictures, 1 / pictures), size=draws)
