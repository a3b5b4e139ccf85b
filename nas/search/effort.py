"""How much a search trains: candidates, and how many of them are promoted to which rungs.

Successive halving (Jamieson and Talwalkar 2016, https://arxiv.org/abs/1502.07943) with few rungs: short trainings say
little of long ones, so many designs get a short one and few a long one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from nas.errors import UsageError


@dataclass(frozen=True, slots=True)
class Rung:
    """A length of training above the proxies'.

    Attributes:
        steps: Steps of its trainings.
        places: Candidates that are promoted to it.
    """

    steps: int
    places: int


@dataclass(frozen=True, slots=True)
class Effort:
    """How much a search trains.

    Attributes:
        budget: Candidates.
        rungs: The rungs above the proxies, the shortest first; with another budget, the places are in proportion.
    """

    budget: int
    rungs: tuple[Rung, ...]

    def rungs_of(self, budget: int) -> tuple[Rung, ...]:
        """The rungs of a search with a budget of its own; every rung has a place.

        Args:
            budget: Candidates to train.
        """
        return in_proportion(self.rungs, self.budget, budget)


def in_proportion(rungs: Sequence[Rung], budget: int, other: int) -> tuple[Rung, ...]:
    """Rungs for another budget; every rung has a place.

    Args:
        rungs: The rungs for a budget.
        budget: That budget.
        other: The other one.
    """
    return tuple(replace(rung, places=max(1, round(rung.places * other / budget))) for rung in rungs)


EffortName = Literal["quick", "normal", "thorough"]

EFFORTS: dict[EffortName, Effort] = {
    "quick": Effort(32, (Rung(400, 3),)),
    "normal": Effort(50, (Rung(400, 8), Rung(600, 2))),
    "thorough": Effort(80, (Rung(400, 8), Rung(1200, 3))),
}

TOGETHER = 2
"""So many candidates are promoted at once while a search proposes."""

_RUNG = re.compile(r"(\d{1,6}):(\d{1,4})", re.ASCII)


def parse_rungs(text: str) -> tuple[Rung, ...]:
    """Rungs as they are typed, such as `400:8,1200:2`: steps and places of each.

    Raises:
        UsageError: It is no such list, or a rung is no longer, or has more places, than the one before.
    """
    found = [_RUNG.fullmatch(part.strip()) for part in text.split(",")]
    rungs = tuple(Rung(int(one[1]), int(one[2])) for one in found if one is not None)
    if len(rungs) != len(found) or any(0 in (one.steps, one.places) for one in rungs):
        raise UsageError(
            f"--rungs must be a list of STEPS:CANDIDATES such as 400:8,1200:2, whole numbers from 1; got {text!r}"
        )
    for shorter, longer in pairwise(rungs):
        if longer.steps <= shorter.steps or longer.places > shorter.places:
            raise UsageError(
                f"--rungs must go up in steps and not up in candidates; {longer.steps}:{longer.places} follows "
                f"{shorter.steps}:{shorter.places}"
            )
    return rungs


def granted(rungs: Sequence[Rung], budget: int, trained: int) -> int:
    """Places at the first of several rungs that are given while a search proposes.

    They are spread evenly over the search, `TOGETHER` at a time, so that what long trainings say of the designs so far
    guides the proposals. The last `TOGETHER` are given when all candidates are trained, and so are those of a single
    rung, which names the winner.

    Args:
        rungs: The rungs above the proxies.
        budget: Candidates to train.
        trained: Candidates that are trained.
    """
    if len(rungs) < 2:
        return 0
    places = rungs[0].places
    every = max(1, TOGETHER * budget // places)
    return max(0, min(places - TOGETHER, TOGETHER * (trained // every)))


def asked_for(
    effort: EffortName | None, budget: int | None, rungs: Sequence[Rung] | None, *, one_length: bool
) -> tuple[int, tuple[Rung, ...]]:
    """The budget and the rungs of a search, from what was asked.

    Args:
        effort: The effort by name; None where none was named.
        budget: Candidates to train; None for the effort's own.
        rungs: The rungs, one by one.
        one_length: Whether the length of a proxy was asked for; that alone is a search without rungs.

    Raises:
        UsageError: Rungs were asked for by name and one by one.
    """
    if rungs is not None and effort is not None:
        raise UsageError("--effort and --rungs both say how the best are promoted; give one of them")
    chosen = EFFORTS[effort or "normal"]
    candidates = chosen.budget if budget is None else budget
    if rungs is not None:
        return candidates, tuple(rungs)
    return candidates, () if one_length and effort is None else chosen.rungs_of(candidates)
