"""What to evaluate next: the sampler's proposals, without those whose predicted latency speaks against them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nas.architecture import Architecture
from nas.latency.predictor import Prediction
from nas.search.latency_filter import PredictLatency, no_prediction
from nas.search.sampler import FRONT_EVERY, NEAR, RANDOM_EVERY, Observation, Proposal, Sampler, propose
from nas.space import SearchSpace
from nas.study import Record, RungScores

PASSED_OVER = 12
"""Random proposals in a row that a prediction may pass over before the next is measured whatever is predicted; of the
sampler's, which take longer than a measurement, one."""

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
        target_ms: The latency limit.
        seeds: Named designs that the candidates begin with.
        near: Designs that are known to be good; the candidates after those are mutations of them.
        predict: Predicts latencies; designs that miss the target are passed over, and random ones far below it.
    """

    space: SearchSpace
    sampler: Sampler
    seed: int
    target_ms: float
    seeds: tuple[Architecture, ...] = ()
    near: tuple[Architecture, ...] = ()
    predict: PredictLatency = no_prediction

    def propose(
        self, records: Sequence[Record], baselines: Sequence[Record], rungs: RungScores | None = None
    ) -> Proposal | None:
        """The first proposal that is not predicted to miss the target.

        When so many are passed over it is the last of them, when nothing else is left the first.

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
                target_ms=self.target_ms,
                seed=self.seed,
                # A number of its own for each attempt, so that a random start draws another design.
                number=len(records) + len(passed_over) * _ATTEMPT,
                known=known,
                seeds=self.seeds,
                near=self.near,
            )
            if proposal is None:
                return passed_over[0] if passed_over else None
            if len(passed_over) == (PASSED_OVER if proposal.origin in _DRAWN else 1):
                return proposal
            architecture = self.space.decode(proposal.indices)
            predicted = self.predict([*baselines, *records], architecture)
            if predicted is None or not self._in_vain(predicted, proposal):
                return proposal
            # The sampler learns of it as of a rejected design; only for this proposal, because it was not measured.
            history = [*history, Observation(proposal.indices, predicted.latency_ms, None, meets=False)]
            known = [*known, architecture.key]
            passed_over.append(proposal)

    def _in_vain(self, predicted: Prediction, proposal: Proposal) -> bool:
        """Whether a proposal misses the target by all of its interval, or is one drawn that is far too fast."""
        beside_a_sampler = proposal.origin in _DRAWN and self.sampler != "random"
        return predicted.low_ms > self.target_ms or (beside_a_sampler and predicted.high_ms < NEAR * self.target_ms)

    def _history(self, records: Sequence[Record], baselines: Sequence[Record], rungs: RungScores) -> list[Observation]:
        """Every evaluated point of the space; baselines that lie in it teach the sampler too."""
        levels = sorted({steps for some in rungs.values() for steps in some})
        observed = []
        for record in [*baselines, *records]:
            if record.evaluation is None:
                continue
            indices = self.space.encode(record.evaluation.architecture) if record.baseline else record.indices
            if indices is not None:
                score, meets = record.evaluation.score, not record.evaluation.violations
                accuracy = None if score is None else score.map50_95
                longer = {1 + levels.index(at): one.score.map50_95 for at, one in rungs.get(record.label, {}).items()}
                observed.append(Observation(indices, record.evaluation.latency.latency_ms, accuracy, meets, longer))
        return observed
