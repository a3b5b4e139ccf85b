"""Designs that a search begins with because a weight-sharing parent likes them.

The parent is trained beside the baselines and the random start; then designs are evolved by their score with its
weights, below the target by predicted latency. Everything that was judged is kept with the study, so an interrupted
scouting goes on where it stood.
"""

import time
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from nas.architecture import Architecture
from nas.architecture_key import from_key
from nas.errors import LatencyError
from nas.evaluate import Task
from nas.exploration import Exploration, Judged, most_promising
from nas.foresight import samples
from nas.jobs import Judgement, ParentTraining
from nas.judge import PARENT_FILE
from nas.latency.predictor import Predictor
from nas.space import SearchSpace
from nas.study import Record, StoredStudy

EXPLORED = 300
"""Designs that are scored with the parent's weights."""

_TOGETHER = 8
"""Designs of one job: so few that workers end a generation at about the same time."""

_KEPT_AS = "judged"


class Scouting:
    """Which jobs the parent and its judgements make, and what came of them."""

    def __init__(
        self,
        study: StoredStudy,
        space: SearchSpace,
        task: Task,
        *,
        steps: int,
        seed: int,
        begin_with: Sequence[Architecture] = (),
        number: int = EXPLORED,
    ) -> None:
        """Begin, or take up what the study has kept.

        Args:
            study: The stored study.
            space: The space.
            task: How the search evaluates.
            steps: Steps that the parent is trained.
            seed: Seed of the exploration.
            begin_with: Designs of the first generation.
            number: Designs to score.
        """
        self._study, self._space, self._task, self._steps = study, space, task, steps
        known = kept_judgements(study)
        self._exploration = Exploration(
            space, task.limits.target_ms, number=number, seed=seed, begin_with=begin_with, known=known
        )
        self._number = number
        self._parent: Literal["missing", "training", "trained"]
        self._parent = "trained" if (study.folder / PARENT_FILE).is_file() else "missing"
        self._predictor: Predictor | None = None
        self._waiting: list[Architecture] = []
        self._generation: list[Judged] = []
        self._jobs = 0
        self._began: float | None = None
        self.over, self.seconds = False, 0.0

    @property
    def busy(self) -> int:
        """Jobs under way."""
        return self._jobs + (self._parent == "training")

    @property
    def scored(self) -> int:
        """Designs scored so far."""
        return self._exploration.scored + sum(one.score is not None for one in self._generation)

    @property
    def wanted(self) -> int:
        """Designs to score."""
        return self._number

    def parent(self) -> ParentTraining | None:
        """The training of the parent, once."""
        if self._parent != "missing":
            return None
        self._parent = "training"
        return ParentTraining(self._space, self._steps)

    def next(self, records: Sequence[Record]) -> Judgement | Literal["wait"] | None:
        """The next designs to judge, `wait` while a generation is being judged; None before the parent and in the end.

        Args:
            records: What was measured, to predict latencies from.
        """
        if self._parent != "trained" or self.over:
            return None
        if self._predictor is None and not self._learn(records):
            return None
        if not self._waiting and not self._jobs:
            self._waiting = self._exploration.ask()
            if not self._waiting:
                self.over = True
                return None
        if not self._waiting:
            return "wait"
        designs, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
        self._jobs += 1
        assert self._predictor is not None
        return Judgement(self._space, tuple(designs), self._predictor)

    def done(self, judged: Sequence[Judged] | None) -> None:
        """Keep judgements, the last of which let the next generation begin; or, without any, know the parent trained.

        Args:
            judged: What a job gave; None of the parent's training.
        """
        if judged is None:
            self._parent = "trained"
            return
        self._jobs -= 1
        self._generation += judged
        kept: list[Any] = self._study.attribute(_KEPT_AS) or []
        self._study.keep(_KEPT_AS, [*kept, *([j.architecture.key, j.latency_ms, j.score] for j in judged)])
        if self._began is not None:
            self.seconds = time.monotonic() - self._began
        if not self._waiting and not self._jobs:
            self._exploration.tell(self._generation)
            self._generation = []

    def promising(self, number: int) -> list[Architecture]:
        """The best designs, once the exploration is over; none before."""
        if not self.over:
            return []
        found = most_promising(self._exploration.judged, self._task.limits.target_ms, number)
        return [one.architecture for one in found]

    def _learn(self, records: Sequence[Record]) -> bool:
        try:
            self._predictor = Predictor.fit(samples(records, self._task.classes))
        except (LatencyError, np.linalg.LinAlgError):
            return False  # too few measurements yet; every trial adds one
        self._began = time.monotonic()
        return True


def kept_judgements(study: StoredStudy) -> list[Judged]:
    """What a study has kept of a scouting.

    Args:
        study: The stored study.
    """
    kept = study.attribute(_KEPT_AS) or ()
    return [Judged(from_key(key), latency_ms, score) for key, latency_ms, score in kept]
