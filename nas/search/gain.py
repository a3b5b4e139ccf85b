"""The gain of a search on val, with what other pictures and other seeds of training might have made of it.

The pictures' part is a jackknife: the difference of the two designs is computed again without each of some groups of
pictures (Quenouille 1956; Efron and Stein 1981, https://doi.org/10.1214/aos/1176345462). Both designs are scored on the
same pictures, so what makes a picture hard for both cancels out. The seeds' part cannot be seen from one training of
each: it is what was found on ghostbench.
"""

import math
from collections.abc import Sequence

import numpy as np

from nas.proxy import Matched, matched, score_of
from nas.search.val_detections import Detections
from nas.study import Finalists, Gain, StoredStudy, choose_best

GROUPS = 40
"""Groups of pictures at most, each left out once."""

SEED_SD = {400: 0.024, 1200: 0.012}
"""By steps, the standard deviation of one training's mAP50-95 between seeds, from scratch: the larger one of two data
sets (`results/reference/ghostbench/trainings.csv`, docs/development/proxy-figures.md)."""

INHERITED_SEED_SD = 0.010
"""The same of designs that inherit: after 1,200 steps, the larger one of two data sets (`results/reference/inherit/
seeds.csv`, docs/development/inheritance.md). After 600 steps it is smaller where it was looked at."""


def gain_of(study: StoredStudy, seen: Detections, finalists: Finalists, *, inherited: bool) -> Gain | None:
    """The gain of the best design over the best baseline that meets the target, kept with the study.

    Args:
        study: The stored study.
        seen: What its designs detect in val.
        finalists: Its finalists.
        inherited: Whether its designs begin with a source's channels.

    Returns:
        None where there is no such pair of one length of training, a baseline is the best, a measured file is gone, or
        val has fewer than two pictures with an object.

    Raises:
        LatencyError: A file does not run here.
        StudyError: Weights cannot be read.
    """
    best = choose_best([*finalists.baselines, *finalists.front, *finalists.promoted])
    rival = choose_best(finalists.baselines)
    if best is None or rival is None or best.record.baseline or not best.steps or best.steps != rival.steps:
        return None
    files = (best.final.file, rival.final.file)
    kept = study.attribute("gain")
    if kept is not None and (known := Gain.from_dict(kept)).files == files:
        return known
    ours, theirs = seen(best), seen(rival)
    if ours is None or theirs is None:
        return None
    first, second = ([matched(picture) for picture in some] for some in (ours, theirs))
    if sum(len(one.truth) > 0 for one in first) < 2:
        return None
    difference, sd, groups = paired_difference(first, second)
    seeds_sd = math.sqrt(2) * (INHERITED_SEED_SD if inherited else seed_sd(best.steps))
    found = Gain(best.record.label, rival.record.label, files, difference, sd, seeds_sd, groups)
    study.keep("gain", found.to_dict())
    return found


def seed_sd(steps: int) -> float:
    """Standard deviation of mAP50-95 between seeds after so many steps from scratch, on the line in both logarithms.

    Args:
        steps: Steps of a training; fewer or more than were looked at count as the fewest or the most.
    """
    known = sorted(SEED_SD)
    return float(np.exp(np.interp(math.log(steps), np.log(known), np.log([SEED_SD[one] for one in known]))))


def paired_difference(first: Sequence[Matched], second: Sequence[Matched]) -> tuple[float, float, int]:
    """The difference of two designs' mAP50-95 on the same pictures, its jackknife standard deviation, and the groups.

    Args:
        first: One a picture, at least two with an object.
        second: The same pictures.
    """
    order = np.random.default_rng(0).permutation(len(first))
    # Dealt out one by one, those with an object first, so that no group has all of these.
    dealt = sorted(order.tolist(), key=lambda at: len(first[at].truth) == 0)
    number = min(GROUPS, sum(len(one.truth) > 0 for one in first))

    def without(group: int | None) -> float:
        kept = [at for place, at in enumerate(dealt) if place % number != group]
        ours, theirs = (score_of([some[at] for at in kept]).map50_95 for some in (first, second))
        return ours - theirs

    parts = np.array([without(group) for group in range(number)])
    spread = (number - 1) / number * np.square(parts - parts.mean()).sum()
    return without(None), math.sqrt(spread), number
