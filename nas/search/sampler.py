"""What to try next: a pure function of the search space, the recorded history and the seed.

The history is replayed into an in-memory Optuna study and its sampler is asked once. Nothing is kept between calls, so
the same seed and the same recorded history propose the same candidate, in this process or after a restart.

Whoever names a target latency wants the most accurate design that meets it. So half of the proposals look for accuracy
alone, under the constraint that no limit is missed: with `gp` the most promising of many random designs
(`expected-improvement`), with `tpe` Optuna's (Watanabe and Hutter 2023, https://arxiv.org/abs/2211.14411). A quarter
looks for the whole Pareto front, and a quarter is drawn at random. A sampler that looks for the front alone spends most
of its budget far below the target, and one without random draws may stay where it began (docs/development/log.md).

A search that starts from a checkpoint knows good designs before it begins: the checkpoint's own, narrowed. It begins
with mutations of them, and half of the designs among which the most promising is chosen are mutations of the best.
"""

import math
import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from nas.architecture import Architecture
from nas.errors import SpaceError
from nas.space import SearchSpace
from nas.util.torch_threads import threads

if TYPE_CHECKING:
    import optuna

    from nas.surrogate import Described

STARTUP_TRAINED = 10
FRONT_EVERY = 4
"""Of so many proposals one looks for the whole front, the sampler's others for the best design below the target."""
RANDOM_EVERY = 4
"""Of so many proposals one is drawn at random: from noisy scores a sampler learns late that others are better."""
NEAR = 0.85
"""The best design is looked for between this share of the limit that binds first and the limit: accuracy grows with
latency, and with size."""
CANDIDATES = 200
"""Designs of which the most promising is proposed."""
MUTATED = 0.3
"""Share of a design's choices that a mutation draws anew."""
PARENTS = 3
"""So many of the best designs are mutated."""
_MAX_DRAWS = 2000
_MISSED = 0.01
"""The least by which a design that misses a limit misses for Optuna, whatever the limit."""

Sampler = Literal["gp", "tpe", "random"]


@dataclass(frozen=True, slots=True)
class Observation:
    """A point of the space that has been evaluated.

    Attributes:
        indices: One index a dimension.
        latency_ms: Measured latency.
        accuracy: mAP50-95 of the proxy, None when the point was not trained.
        meets: Whether it meets every limit; a baseline is trained also when it does not.
        promoted: By rung, 1 for the lowest above the proxies: mAP50-95 of its longer trainings.
        size: The largest share that it takes of a limit on size: parameters, GFLOPs or bytes. 0 without such a limit.
    """

    indices: Mapping[str, int]
    latency_ms: float
    accuracy: float | None
    meets: bool
    promoted: Mapping[int, float] = field(default_factory=dict)
    size: float = 0.0

    def used(self, target_ms: float) -> float:
        """The share that it takes of the limit that binds first; above one where it misses."""
        return max(self.latency_ms / target_ms, self.size)

    @property
    def scores(self) -> dict[int, float]:
        """Every score by rung, 0 for the proxy's."""
        return {} if self.accuracy is None else {0: self.accuracy, **self.promoted}


@dataclass(frozen=True, slots=True)
class Proposal:
    """A point to evaluate next.

    Attributes:
        indices: By dimension, the index of the choice.
        origin: Where it came from: `seed`, `random`, `mutation`, `expected-improvement`, `expected-improvement-front`,
            `gp` or `tpe`.
        next_best: Further points in the order of their acquisition value, where it has one.
    """

    indices: dict[str, int]
    origin: str
    next_best: tuple[dict[str, int], ...] = ()


def propose(
    space: SearchSpace,
    history: Sequence[Observation],
    pending: Sequence[Mapping[str, int]],
    *,
    sampler: Sampler,
    target_ms: float,
    seed: int,
    number: int,
    known: Iterable[str] = (),
    seeds: Sequence[Architecture] = (),
    near: Sequence[Architecture] = (),
    describe: "Callable[[Architecture], Described] | None" = None,
) -> Proposal | None:
    """Propose the next point.

    First the seed designs that lie in the space, then random points (mutations of `near`, where it is given) until
    `STARTUP_TRAINED` points have been trained, then the sampler, and every `RANDOM_EVERY`th time a random point again.
    A proposal whose architecture is known already is moved to a random unknown neighbour.

    Args:
        space: The search space.
        history: Every evaluated point, in the order of its trial numbers.
        pending: The points being evaluated now; the most promising is chosen without them, and only never one of them.
        sampler: `gp`, `tpe` or `random`.
        target_ms: The latency limit.
        seed: Seed of the search.
        number: Number of the trial to be proposed; with `seed` it fixes the random stream.
        known: Canonical keys that must not be proposed again (every trial and baseline so far).
        seeds: Named designs to begin with.
        near: Designs that are known to be good; those that lie in the space are mutated.
        describe: What processes learn of a design; by default its choices and its rough work.

    Returns:
        The proposal, or None when no unknown architecture could be found: the space is exhausted.
    """
    taken = set(known)
    for design in seeds:
        indices = space.encode(design)
        if indices is not None and design.canonical().key not in taken:
            return Proposal(indices, "seed")
    rng = random.Random(f"{seed}/{number}")
    trained = sum(point.accuracy is not None for point in history)
    parents = [point for design in near if (point := space.encode(design)) is not None]
    if sampler != "random" and trained < STARTUP_TRAINED and parents:
        point, origin = _mutation(space, rng.choice(parents), rng), "mutation"
    elif sampler == "random" or trained < STARTUP_TRAINED or role(number) == "random":
        point, origin = space.sample(rng), "random"
    else:
        front = role(number) == "front"
        if sampler == "gp" and not front:
            ranked = _by_expected_improvement(space, history, target_ms, taken, rng, describe, mutated=bool(parents))
            if ranked:
                return Proposal(ranked[0], "expected-improvement", tuple(ranked[1:]))
            point, origin = space.sample(rng), "random"
        else:
            asked = _ask(space, history, pending, sampler, target_ms, rng.randrange(2**31), front=front)
            point, origin = asked, sampler
    fresh = unknown_near(space, point, taken, rng)
    return None if fresh is None else Proposal(fresh, origin)


def role(number: int) -> Literal["random", "front", "best"]:
    """What a proposal looks for once enough designs are trained: anything, the whole front, or the best design.

    Args:
        number: Number of the trial.
    """
    if number % RANDOM_EVERY == 1:
        return "random"
    return "front" if number % FRONT_EVERY == FRONT_EVERY - 1 else "best"


def unknown_near(
    space: SearchSpace, point: dict[str, int], taken: set[str], rng: random.Random
) -> dict[str, int] | None:
    """The point itself when unknown, else an unknown point near it (a random walk of single changes)."""
    for draw in range(1, _MAX_DRAWS + 1):
        if space.decode(point).key not in taken:
            return point
        try:
            point = space.neighbour(point, rng) if draw % 10 else space.sample(rng)
        except SpaceError:  # nothing near is another network
            point = space.sample(rng)
    return None


def _mutation(space: SearchSpace, point: Mapping[str, int], rng: random.Random) -> dict[str, int]:
    """A point with some of its choices drawn anew."""
    drawn = space.sample(rng)
    return {name: drawn[name] if rng.random() < MUTATED else index for name, index in point.items()}


def candidates(
    space: SearchSpace, history: Sequence[Observation], rng: random.Random, mutated: bool
) -> Iterator[dict[str, int]]:
    """Random points, every second one a mutation of one of the best that meet the limits where that is wanted."""
    trained = [(one.accuracy, one.indices) for one in history if one.accuracy is not None and one.meets]
    best = [indices for _, indices in sorted(trained, key=lambda one: one[0], reverse=True)[:PARENTS]]
    for number in range(CANDIDATES):
        if mutated and best and number % 2:
            yield _mutation(space, rng.choice(best), rng)
        else:
            yield space.sample(rng)


def _by_expected_improvement(
    space: SearchSpace,
    history: Sequence[Observation],
    target_ms: float,
    taken: set[str],
    rng: random.Random,
    describe: "Callable[[Architecture], Described] | None",
    *,
    mutated: bool,
) -> list[dict[str, int]]:
    """Random designs that are not known, the most promising first."""
    from threadpoolctl import threadpool_limits

    from nas.surrogate import MeasuredDesign, constrained_expected_improvement, described

    describe = describe or described
    drawn = {space.decode(point).key: point for point in candidates(space, history, rng, mutated)}
    fresh = [point for key, point in drawn.items() if key not in taken]
    if not fresh:
        return []
    known = [describe(space.decode(one.indices)) for one in history]
    rows = zip(known, history, strict=True)
    seen = [MeasuredDesign(design, one.used(target_ms), one.scores, one.meets) for design, one in rows]
    with threadpool_limits(1):  # small matrices, beside trainings
        found = constrained_expected_improvement(seen, [describe(space.decode(point)) for point in fresh], NEAR)
    return [fresh[int(at)] for at in (-found).argsort(kind="stable")]


def _ask(
    space: SearchSpace,
    history: Sequence[Observation],
    pending: Sequence[Mapping[str, int]],
    sampler: Sampler,
    target_ms: float,
    seed: int,
    *,
    front: bool,
) -> dict[str, int]:
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = _distributions(space)
    worst = min(point.accuracy for point in history if point.accuracy is not None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        directions: list[Literal["maximize", "minimize"]] = ["maximize", "minimize"] if front else ["maximize"]
        study = optuna.create_study(directions=directions, sampler=_sampler(sampler, seed))
        for point in history:
            # A point that was never trained gets the worst accuracy seen, and misses: as a pruned one
            # its latency would be hidden from the sampler.
            values = [worst if point.accuracy is None else point.accuracy, point.latency_ms][: len(directions)]
            missed_by = math.log(point.used(target_ms))
            study.add_trial(
                create_trial(
                    params={name: point.indices[name] for name in distributions},
                    distributions=distributions,
                    values=values,
                    constraints={"limits": missed_by if point.meets else max(missed_by, _MISSED)},
                )
            )
        for waiting in pending:
            params = {name: waiting[name] for name in distributions}
            study.add_trial(create_trial(params=params, distributions=distributions, state=TrialState.RUNNING))
        with threads(1):  # small matrices: a second thread takes twice the time, and a core from the trainings
            asked = study.ask(distributions).params
    return {dimension.name: asked.get(dimension.name, 0) for dimension in space.dimensions}


def _distributions(space: SearchSpace) -> "dict[str, optuna.distributions.BaseDistribution]":
    """Ordered and two-valued dimensions as integers, the others as categories; single values are left out."""
    from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

    result: dict[str, BaseDistribution] = {}
    for dimension in space.dimensions:
        n = len(dimension.choices)
        if n > 2 and not dimension.ordered:
            result[dimension.name] = CategoricalDistribution(list(range(n)))
        elif n > 1:
            result[dimension.name] = IntDistribution(0, n - 1)
    return result


def _sampler(name: Sampler, seed: int) -> "optuna.samplers.BaseSampler":
    import optuna

    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=0, multivariate=True, constant_liar=True)
    return optuna.samplers.GPSampler(seed=seed, n_startup_trials=0, deterministic_objective=False)
