"""Proposals for many workers: several designs from one fit of the processes, so that no worker waits for the next.

A proposal by itself costs seconds: a fit, a graph that is built for the latency predictor, or Optuna's sampler. Here
the processes over the choices decide alone, latencies included, which they know to about a tenth (`surrogate/work.py`).
All designs of a batch are of the same random draw, so they differ; none is chosen knowing the others' scores.
"""

import math
import random
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from nas.architecture import Architecture
from nas.search.sampler import NEAR, Observation, Proposal, candidates, role
from nas.space import SearchSpace

MANY = 9
"""Up to so many trials under way, one more than the workers, each design is proposed by itself, from everything that is
known then."""
BATCHES = 2
"""A batch is of half of them: what their trials find is known before the next but one."""
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
        history: Every evaluated point; at least two of them trained.
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

    from nas.surrogate import MeasuredDesign, constrained_expected_improvement, limit_used

    rng = random.Random(f"{seed}/{number}/batch")
    drawn = {space.decode(point).key: point for point in candidates(space, history, rng, bool(near))}
    fresh = [point for key, point in drawn.items() if key not in known]
    if not fresh:
        return []
    designs = [space.decode(point) for point in fresh]
    seen = [MeasuredDesign(space.decode(one.indices), one.used(target_ms), one.scores, one.meets) for one in history]
    lower = rng.uniform(_FRONT_FROM, NEAR)
    below = [MeasuredDesign(s.architecture, s.used / lower, s.scores, s.meets and s.used <= lower) for s in seen]
    with threadpool_limits(1):
        used, _ = limit_used([one.architecture for one in seen], [one.used for one in seen], designs)
        best = constrained_expected_improvement(seen, designs, NEAR)
        front = constrained_expected_improvement(below, designs)
    meets = used <= 0
    ranked = {
        "best": _order(best, first=meets & (used >= math.log(NEAR))),
        "front": _order(front, first=meets),
        "random": _order(np.zeros(len(fresh)), first=meets),
    }
    origins = {"best": "expected-improvement", "front": "expected-improvement-front", "random": "random"}
    chosen: dict[int, str] = {}
    for one in range(number, number + min(count, len(fresh))):
        wanted = role(one)
        chosen[next(at for at in ranked[wanted] if at not in chosen)] = origins[wanted]
    return [Proposal(fresh[at], origin) for at, origin in chosen.items()]


def _order(values: NDArray[np.float64], first: NDArray[np.bool_]) -> list[int]:
    """Indices by falling value, those that are marked before all others."""
    return [int(at) for at in np.lexsort((-values, ~first))]
