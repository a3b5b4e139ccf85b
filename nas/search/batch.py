"""Proposals for many workers: several designs from one fit of the processes, so that no worker waits for the next.

A proposal by itself costs seconds: a fit, a graph that is built for the latency predictor, or Optuna's sampler. Here
the processes over the choices decide alone, latencies included, which they know to about a tenth (`surrogate/work.py`).
All designs of a batch are of the same random draw, so they differ; none is chosen knowing the others' scores.
"""

import math
import random
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.architecture import Architecture
from nas.search.sampler import NEAR, STARTUP_TRAINED, Observation, Proposal, candidates, role
from nas.space import SearchSpace

if TYPE_CHECKING:
    from nas.surrogate import Described

MANY = 9
"""Up to so many trials under way, one more than the workers, each design is proposed by itself, from everything that is
known then."""
BATCHES = 2
"""A batch is of half of them: what their trials find is known before the next but one."""
_ORIGINS = {"best": "expected-improvement", "front": "expected-improvement-front", "random": "random"}
_FRONT_FROM = 0.3
"""The front is looked for below a limit that is drawn between this share of the limit and `NEAR` of it."""


def propose_batch(
    space: SearchSpace,
    history: Sequence[Observation],
    count: int,
    *,
    target_ms: float,
    seed: int,
    number: int,
    known: Collection[str],
    near: Sequence[Architecture] = (),
) -> list[Proposal]:
    """Propose several points at once, in the shares in which single ones are proposed.

    Args:
        space: The search space.
        history: Every evaluated point, at least two of them; with fewer than `STARTUP_TRAINED` trained ones all
            proposals are random, near the limit where it is known where that is.
        count: How many.
        target_ms: The latency limit.
        seed: Seed of the search.
        number: Number of the first trial; with `seed` it fixes the random stream.
        known: Canonical keys that must not be proposed again.
        near: Designs that are known to be good: half of the draw are mutations of the best.

    Returns:
        Up to `count` proposals; fewer where the draw has fewer unknown designs.
    """
    from threadpoolctl import threadpool_limits

    from nas.surrogate import described, limit_used

    rng = random.Random(f"{seed}/{number}/batch")
    drawn = {space.decode(point).key: point for point in candidates(space, history, rng, bool(near))}
    fresh = [point for key, point in drawn.items() if key not in known]
    if not fresh:
        return []
    designs = [described(space.decode(point)) for point in fresh]
    with threadpool_limits(1):
        seen = [described(space.decode(one.indices)) for one in history]
        used, deviation = limit_used(seen, [one.used(target_ms) for one in history], designs)
        near_limit = (used <= 0) & (used + 2 * deviation >= math.log(NEAR))
        # As they were drawn; then, where too few are near the limit, the nearest.
        orders = {"random": _order(np.where(near_limit, 0.0, -np.abs(used)), first=near_limit)}
        started = sum(one.accuracy is not None for one in history) >= STARTUP_TRAINED
        if started:
            orders |= _by_acquisition(seen, history, designs, used, target_ms, rng.uniform(_FRONT_FROM, NEAR))
    chosen: dict[int, str] = {}
    for one in range(number, number + min(count, len(fresh))):
        wanted = role(one) if started else "random"
        chosen[next(at for at in orders[wanted] if at not in chosen)] = _ORIGINS[wanted]
    return [Proposal(fresh[at], origin) for at, origin in chosen.items()]


def _by_acquisition(
    seen: Sequence["Described"],
    history: Sequence[Observation],
    designs: Sequence["Described"],
    used: NDArray[np.float64],
    target_ms: float,
    lower: float,
) -> dict[str, list[int]]:
    """The designs in the order in which they promise the best one below the limit, and a better front below `lower`.

    Args:
        seen: The evaluated designs.
        history: What is known of each.
        designs: Those to choose among.
        used: By design, the logarithm of the share of the limit that it is thought to use.
        target_ms: The latency limit.
        lower: A share of the limit.
    """
    from nas.surrogate import MeasuredDesign, constrained_expected_improvement

    def measured(share: float) -> list[MeasuredDesign]:
        used_by = [one.used(target_ms) for one in history]
        meets = [one.meets and (share == 1 or at <= share) for one, at in zip(history, used_by, strict=True)]
        rows = zip(seen, used_by, history, meets, strict=True)
        return [MeasuredDesign(design, at / share, one.scores, below) for design, at, one, below in rows]

    best = constrained_expected_improvement(measured(1), designs, NEAR)
    front = constrained_expected_improvement(measured(lower), designs)
    meets = used <= 0
    return {"best": _order(best, first=meets & (used >= math.log(NEAR))), "front": _order(front, first=meets)}


def _order(values: NDArray[np.float64], first: NDArray[np.bool_]) -> list[int]:
    """Indices by falling value, those that are marked before all others."""
    return [int(at) for at in np.lexsort((-values, ~first))]
