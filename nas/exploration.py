"""Evolution over a space by judgements that cost a second: hundreds of designs, of which a search trains the best.

NSGA-II (Deb et al. 2002, doi:10.1109/4235.996017), Optuna's, towards less latency and more accuracy; a design above the
latency limit is worse than all below it (section VI there).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nas.architecture import Architecture
from nas.pareto import front_indices
from nas.search import distributions
from nas.space import SearchSpace

POPULATION = 32
NO_LESS = 0.5
"""Share of the latency limit below which being still faster counts for nothing: the limit was asked for."""

_BARREN = 20
"""Generations without a new design, after which a space counts as exhausted."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is thought of a design without training it.

    Attributes:
        architecture: The design.
        latency_ms: Its predicted latency.
        score: Its score; None where it breaks a limit, or has none.
    """

    architecture: Architecture
    latency_ms: float
    score: float | None


class Exploration:
    """A population that is bred further with every generation that has been judged."""

    def __init__(
        self,
        space: SearchSpace,
        limit_ms: float,
        *,
        number: int,
        seed: int,
        begin_with: Sequence[Architecture] = (),
        known: Iterable[Judged] = (),
    ) -> None:
        """Begin.

        Args:
            space: The space.
            limit_ms: The latency limit.
            number: Designs to score.
            seed: Seed of the evolution.
            begin_with: Designs of the first generation; those outside the space are left out.
            known: Judgements of an exploration like this one, which was interrupted; they are not asked for again.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._limit_ms, self._number = space, limit_ms, number
        self._names = distributions(space)
        sampler = optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=seed)
        self._study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        for design in begin_with:
            if (point := space.encode(design)) is not None:
                self._study.enqueue_trial({name: point[name] for name in self._names})
        self._before = {one.architecture.key: one for one in known}
        self._judged: dict[str, Judged] = {}
        self._generation: list[tuple[optuna.Trial, Architecture]] = []

    @property
    def judged(self) -> tuple[Judged, ...]:
        """Every design that was judged, in the order of judgement."""
        return tuple(self._judged.values())

    @property
    def scored(self) -> int:
        """How many designs have a score."""
        return sum(one.score is not None for one in self._judged.values())

    def ask(self) -> list[Architecture]:
        """The designs of the next generation that nobody has judged; none when the exploration is over."""
        barren = 0
        while self.scored < self._number and barren < _BARREN:
            self._breed()
            designs = {design.key: design for _, design in self._generation if design.key not in self._judged}
            barren = 0 if designs else barren + 1
            self._judged |= {key: self._before[key] for key in designs if key in self._before}
            if new := [design for key, design in designs.items() if key not in self._judged]:
                return new
            self._end_generation()
        return []

    def tell(self, judged: Iterable[Judged]) -> None:
        """What was judged of the designs asked for, all of them."""
        self._judged |= {one.architecture.key: one for one in judged}
        self._end_generation()

    def _breed(self) -> None:
        trials = [self._study.ask(self._names) for _ in range(POPULATION)]
        points = [{d.name: trial.params.get(d.name, 0) for d in self._space.dimensions} for trial in trials]
        self._generation = [(trial, self._space.decode(point)) for trial, point in zip(trials, points, strict=True)]

    def _end_generation(self) -> None:
        for trial, design in self._generation:
            found = self._judged[design.key]
            # Without a score: as far from feasible as it is above the limit, and a little where it is another limit.
            trial.set_constraint("limits", 0.0 if found.score is not None else max(found.latency_ms, self._limit_ms))
            self._study.tell(trial, [found.score or 0.0, max(found.latency_ms, NO_LESS * self._limit_ms)])
        self._generation = []


def most_promising(judged: Sequence[Judged], limit_ms: float, number: int) -> list[Judged]:
    """The designs of the first Pareto front, the best score first, then those of the next fronts.

    Args:
        judged: Judged designs; those without a score are left out.
        limit_ms: The latency limit.
        number: How many; of a smaller number come the first ones of a larger.
    """
    left = [one for one in judged if one.score is not None]
    chosen: list[Judged] = []
    while left and len(chosen) < number:
        indices = front_indices([(max(one.latency_ms, NO_LESS * limit_ms), one.score or 0.0) for one in left])
        chosen += [left[index] for index in reversed(indices)]
        left = [one for index, one in enumerate(left) if index not in indices]
    return chosen[:number]
