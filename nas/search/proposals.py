"""What to evaluate next: the sampler's proposals, without those whose predicted latency or size speaks against them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nas.architecture import Architecture
from nas.latency.predictor import LEAST_SAMPLES, Prediction
from nas.search.batch import propose_batch
from nas.search.latency_filter import PredictLatency, no_prediction
from nas.search.sampler import (
    FRONT_EVERY,
    NEAR,
    RANDOM_EVERY,
    STARTUP_TRAINED,
    Observation,
    Proposal,
    Sampler,
    propose,
)
from nas.search.size_share import no_size_limit
from nas.space import SearchSpace
from nas.study import Limits, Record, RungScores

PASSED_OVER = 12
"""Designs in a row that a prediction may pass over before one is measured whatever is predicted; of the proposals of
Optuna's samplers, which take longer than a measurement, one."""

# Apart from every trial number, so that attempts of one trial and first attempts of others draw different designs; a
# multiple of the sampler's cycles, so that all attempts of one trial look for the same.
_ATTEMPT = 250_000 * math.lcm(FRONT_EVERY, RANDOM_EVERY)
_DRAWN = ("random", "mutation")
"""Proposals that cost nothing."""


@dataclass(frozen=True, slots=True)
class Proposer:
    """Proposes designs of one search; its state is the stored trials alone.

    Attributes:
        space: The search space.
        sampler: What proposes after the start-up designs.
        seed: Seed of the proposals.
        limits: What a candidate must meet.
        seeds: Named designs that the candidates begin with.
        near: Designs that are known to be good; the candidates after those are mutations of them.
        predict: Predicts latencies; designs that miss the target are passed over, and random ones that are far below
            every limit.
        size_used: The largest share that a design takes of a limit on its size; 0 without one.
    """

    space: SearchSpace
    sampler: Sampler
    seed: int
    limits: Limits
    seeds: tuple[Architecture, ...] = ()
    near: tuple[Architecture, ...] = ()
    predict: PredictLatency = no_prediction
    size_used: Callable[[Architecture], float] = no_size_limit

    def propose(
        self, records: Sequence[Record], baselines: Sequence[Record], rungs: RungScores | None = None
    ) -> Proposal | None:
        """The first proposal that is not predicted to miss a limit, or to lie far below all of them.

        When so many are passed over it is the last of them, when nothing else is left the first; of those that are
        ranked by their acquisition value it is the one nearest to the limit.

        Args:
            records: Every candidate so far; those that are running are not proposed again.
            baselines: Every baseline.
            rungs: Scores of longer trainings of some of them.

        Returns:
            The proposal, or None when the space is exhausted.
        """
        history = self._history(records, baselines, rungs or {})
        known = [r.key for r in [*records, *baselines]]
        passed_over: list[Proposal] = []
        while True:
            proposal = propose(
                self.space,
                history,
                [r.indices for r in records if r.status == "running"],
                sampler=self.sampler,
                target_ms=self.limits.target_ms,
                seed=self.seed,
                # A number of its own for each attempt, so that a random start draws another design.
                number=len(records) + len(passed_over) * _ATTEMPT,
                known=known,
                seeds=self.seeds,
                near=self.near,
            )
            if proposal is None:
                return passed_over[0] if passed_over else None
            if proposal.next_best:
                return self._nearest(proposal, [*baselines, *records])
            if len(passed_over) == (PASSED_OVER if proposal.origin in _DRAWN else 1):
                return proposal
            architecture = self.space.decode(proposal.indices)
            predicted = self.predict([*baselines, *records], architecture)
            if predicted is None:
                return proposal
            size = self.size_used(architecture)
            if not self._in_vain(predicted, size, proposal):
                return proposal
            # The sampler learns of it as of a rejected design; only for this proposal, because it was not measured.
            history = [*history, Observation(proposal.indices, predicted.latency_ms, None, meets=False, size=size)]
            known = [*known, architecture.key]
            passed_over.append(proposal)

    def propose_batch(
        self, records: Sequence[Record], baselines: Sequence[Record], rungs: RungScores, count: int
    ) -> list[Proposal]:
        """Several proposals at once, by the processes over the choices alone; none where single ones are in place.

        These are the first designs of all, the start-up designs of a search from a checkpoint, and those of Optuna's
        TPE and of the random sampler.

        Args:
            records: Every candidate so far; those that are running are not proposed again.
            baselines: Every baseline.
            rungs: Scores of longer trainings of some of them.
            count: How many.
        """
        history = self._history(records, baselines, rungs)
        started = sum(one.accuracy is not None for one in history) >= STARTUP_TRAINED
        if self.sampler != "gp" or len(history) < LEAST_SAMPLES or (self.near and not started):
            return []
        return propose_batch(
            self.space,
            history,
            count,
            target_ms=self.limits.target_ms,
            seed=self.seed,
            number=len(records),
            known={r.key for r in [*records, *baselines]},
            near=self.near,
        )

    def _in_vain(self, predicted: Prediction, size: float, proposal: Proposal) -> bool:
        """Whether a proposal more probably misses a limit than not, or is drawn and far below every limit.

        Args:
            predicted: Its latency.
            size: The largest share that it takes of a limit on size.
            proposal: The proposal.
        """
        target_ms = self.limits.target_ms
        if max(predicted.latency_ms / target_ms, size) > 1:
            return True
        beside_a_sampler = proposal.origin in _DRAWN and self.sampler != "random"
        return beside_a_sampler and max(predicted.high_ms / target_ms, size) < NEAR

    def _nearest(self, proposal: Proposal, records: Sequence[Record]) -> Proposal:
        """The first of a proposal and its next best ones that is near below the limit that binds first.

        The acquisition function knows latencies far less well than a prediction does, which costs more than an
        acquisition value: it prefers designs that it takes for faster than they are.
        """
        best, distance = proposal.indices, math.inf
        for point in (proposal.indices, *proposal.next_best[:PASSED_OVER]):
            design = self.space.decode(point)
            predicted = self.predict(records, design)
            if predicted is None:
                break
            used = max(predicted.latency_ms / self.limits.target_ms, self.size_used(design))
            if NEAR <= used <= 1:
                return Proposal(point, proposal.origin)
            if abs(math.log(used)) < distance:
                best, distance = point, abs(math.log(used))
        return Proposal(best, proposal.origin)

    def _history(self, records: Sequence[Record], baselines: Sequence[Record], rungs: RungScores) -> list[Observation]:
        """Every evaluated point of the space; baselines that lie in it teach the sampler too."""
        levels = sorted({steps for some in rungs.values() for steps in some})
        observed = []
        for record in [*baselines, *records]:
            if record.evaluation is None:
                continue
            indices = self.space.encode(record.evaluation.architecture) if record.baseline else record.indices
            if indices is not None:
                found = record.evaluation
                accuracy = None if found.score is None else found.score.map50_95
                longer = {1 + levels.index(at): one.score.map50_95 for at, one in rungs.get(record.label, {}).items()}
                size = self.limits.size_used(found.params, found.gflops, found.onnx_bytes)
                meets = not found.violations
                observed.append(Observation(indices, found.latency.latency_ms, accuracy, meets, longer, size))
        return observed
