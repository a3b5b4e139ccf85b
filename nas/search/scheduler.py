"""A search in progress: which trial comes next, when the budget is spent, and how far it has come.

A scheduler joins what to try (`search`) with what is known (`study`). It does not know how trials run: an executor asks
`next()`, carries the assignment out somewhere, and answers with `finish()`, `postpone()`, `fail()` or `lose()`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NoReturn

from nas.architecture import Architecture
from nas.errors import DataChanged, DeviceLost, ProxyError, StorageError
from nas.latency.predictor.predictor import Prediction
from nas.proxy import Score
from nas.search.latency_filter import PredictLatency
from nas.search.pending_trial import Found, PendingTrial, Promotion, Replicate
from nas.search.progress import Progress
from nas.search.promotions import Promotions, kind
from nas.search.replicates import Replicates
from nas.search.sampler import Observation, Proposal, Sampler, propose
from nas.space import SearchSpace
from nas.study import INTERRUPTED, Evaluation, LastRung, Record, StoredStudy, evaluated

REJECTED_A_TRAINED = 30
FAILURES_IN_A_ROW = 5
PASSED_OVER = 5
"""Random proposals in a row that a prediction may pass over before the next is measured whatever is predicted; of the
sampler's, which take longer than a measurement, one."""
NEAR = 0.6
"""Random proposals beside a sampler's are drawn above this share of the target: there the most accurate designs are."""

# Apart from every trial number, so that attempts of one trial and first attempts of others draw different designs; a
# multiple of search's cycles, so that all attempts of one trial look for the same.
_ATTEMPT = 1_000_000
_DRAWN = ("random", "mutation")
"""Proposals that cost nothing."""


End = Literal["budget", "time", "exhausted", "rejections"]


class TrialScheduler:
    """Proposes, counts and stores the trials of one search."""

    def __init__(
        self,
        study: StoredStudy,
        space: SearchSpace,
        *,
        sampler: Sampler,
        seed: int,
        budget: int,
        parallel: int = 1,
        max_seconds: float | None = None,
        baselines: Mapping[str, Architecture] | None = None,
        seeds: Sequence[Architecture] = (),
        near: Sequence[Architecture] = (),
        latency_predictor: PredictLatency = lambda records, design: None,
        replicates: int = 0,
        last_rung: int | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take up a search where its study stands.

        Args:
            study: The stored study.
            space: The search space.
            sampler: What proposes after the start-up design.
            seed: Seed of the proposals.
            budget: Candidates to train in the whole study.
            parallel: Trials that may be under way at once.
            max_seconds: No candidate begins later than this many seconds from now; baselines do.
            baselines: Known designs, by label; each is trained once, before the candidates, outside the budget.
            seeds: Named designs that the candidates begin with.
            near: Designs that are known to be good; the candidates after those are mutations of them.
            latency_predictor: Predicts latencies; designs that miss the target are passed over, and random ones far
                below it.
            replicates: Other seeds with which the best candidates and the best baseline are trained in the end; none
                where there is a last rung.
            last_rung: Steps of the last rung, at which the best candidates and the best baselines are trained in the
                end; None where there is none.
            on_progress: Called after every change.
            clock: Seconds, for tests.
        """
        self._study, self._space = study, space
        self._sampler: Sampler = sampler
        self._seed, self._budget, self._parallel = seed, budget, parallel
        self._max_seconds, self._seeds = max_seconds, tuple(seeds)
        self._near, self._predict_latency = tuple(near), latency_predictor
        self._replicates = Replicates(study, replicates if last_rung is None else 0)
        self._promotions = Promotions(study, last_rung, len({kind(label) for label in baselines or {}}))
        self._last_phase = self._replicates if last_rung is None else self._promotions
        self._on_progress, self._clock = on_progress, clock
        self._begun = clock()
        self._retry = study.orphans()
        done = {r.label for r in study.baselines() if r.status == "trained"}
        self._baselines = [(label, a) for label, a in (baselines or {}).items() if label not in done]
        self._trained_before = self._trainings()
        self._failures, self._exhausted = 0, False
        self.ended: End | None = None

    def next(self) -> PendingTrial | Literal["wait"] | None:
        """The next assignment, `wait` while the running trials decide, or None when the search is over."""
        records = self._study.records()
        trained = sum(r.status == "trained" for r in records)
        running = [r for r in records if r.status == "running"]
        busy = len(running) + sum(r.status == "running" for r in self._study.baselines())
        if self._baselines:
            return "wait" if busy >= self._parallel else self._baseline()
        late = self._max_seconds is not None and self._clock() - self._begun >= self._max_seconds
        rejected = sum(r.status == "rejected" for r in records)
        if trained >= self._budget:
            return "wait" if busy else self._further("budget", late)
        if late:
            self.ended = "time"
            return None
        if rejected >= REJECTED_A_TRAINED * self._budget:
            return "wait" if busy else self._further("rejections", late)
        if busy >= self._parallel or trained + len(running) >= self._budget:
            return "wait"
        if self._retry:
            return self._retried()
        if not self._exhausted and (proposed := self._proposed(records, running)):
            return proposed
        self._exhausted = True
        return "wait" if busy else self._further("exhausted", late)

    def finish(self, assignment: PendingTrial, found: Found) -> None:
        """Store what came of an assignment."""
        record = None
        match assignment.more, found:
            case None, Evaluation():
                record = self._study.finish(assignment.number, found, assignment.baseline)
            case Replicate(number), Score():
                self._replicates.done(assignment.label, number, found.map50_95)
            case Promotion(), LastRung():
                self._promotions.done(assignment.label, found)
            case _:
                raise TypeError(f"{assignment.label}: {type(found).__name__} is no answer to {assignment.more}")
        if record is None or record.status == "trained":  # a rejection says nothing about whether trainings work
            self._failures = 0
        self._on_progress(self.progress(record))

    def postpone(self, assignment: PendingTrial, reason: str) -> None:
        """Store that the device was too disturbed for an assignment: a candidate is tried once more, then it fails.

        Raises:
            ProxyError: As `fail`.
        """
        candidate = not assignment.baseline and assignment.more is None
        if not candidate or self._study.records()[assignment.number].retried is not None:
            self.fail(assignment, reason)
            return
        record = self._study.fail(assignment.number, INTERRUPTED)
        self._retry.append(record)
        self._failed(record, reason)

    def fail(self, assignment: PendingTrial, reason: str) -> None:
        """Store that an assignment failed, and why; of a failed repetition nothing is stored.

        Raises:
            ProxyError: Several trials failed in a row: the fault is not the candidates'.
        """
        record = None
        match assignment.more:
            case None:
                record = self._study.fail(assignment.number, reason, assignment.baseline)
            case Replicate(number):
                self._replicates.fail(assignment.label, number)
            case Promotion():
                self._promotions.fail(assignment.label, reason)
        self._failed(record, reason)

    def lose(self, assignment: PendingTrial, reason: str) -> NoReturn:
        """Stop the search because its device is gone; the assignment did not fail, and is repeated when it goes on.

        The trial stays as it is in the study, running: the next search that opens it finds an orphan (`StoredStudy`).

        Raises:
            DeviceLost: Always.
        """
        raise DeviceLost(
            f"the search was stopped at {assignment.label}, whose latency could not be measured: {reason}. What is "
            "finished is kept; when the device is back, the same command goes on with it"
        )

    def halt(self, assignment: PendingTrial, error: StorageError | DataChanged) -> NoReturn:
        """Stop the search because of its files, not of the assignment; as with `lose`, that did not fail.

        Args:
            assignment: What was under way.
            error: A file could not be written, or the data is not the same any more.

        Raises:
            StorageError: A file could not be written.
            DataChanged: The data is not the same any more.
        """
        raise type(error)(
            f"the search was stopped at {assignment.label}: {error}. What is finished is kept; when that is mended, "
            "the same command goes on with it"
        )

    def progress(self, last: Record | None = None) -> Progress:
        """How far the search has come."""
        records = self._study.records()
        status = [r.status for r in records]
        trained = status.count("trained")
        seconds = self._clock() - self._begun
        done_after, left_after = self._last_phase.work
        here = self._trainings() - self._trained_before + done_after
        left = max(self._budget - trained, 0) + len(self._baselines) + left_after
        return Progress(
            budget=self._budget,
            trained=trained,
            rejected=status.count("rejected"),
            failed=status.count("failed"),
            running=status.count("running"),
            best=max((r for r in records if r.status == "trained"), key=_accuracy, default=None),
            last=last,
            seconds=seconds,
            left_s=seconds / here * left if here else None,
            last_phase=self._last_phase.phase,
        )

    def _failed(self, record: Record | None, reason: str) -> None:
        self._failures += 1
        self._on_progress(self.progress(record))
        if self._failures >= FAILURES_IN_A_ROW:
            raise ProxyError(
                f"{self._failures} trials failed in a row, the last with: {reason}. "
                "The search was stopped; what is finished is kept, and the same command goes on"
            )

    def _further(self, end: End, late: bool) -> PendingTrial | Literal["wait"] | None:
        """The next training of one of the best, or the search's end; no trial is running."""
        found = self._last_phase.next(0 if late else self._parallel)
        if found == "wait" and (self._last_phase.running or not late):
            return "wait"
        if found is None or found == "wait":
            self.ended = end if found is None else "time"
            return None
        record, more = found
        return PendingTrial(record.number, record.label, evaluated(record)[0].architecture, record.baseline, more)

    def _trainings(self) -> int:
        """Trainings done so far, baselines included."""
        return sum(r.status == "trained" for r in [*self._study.records(), *self._study.baselines()])

    def _baseline(self) -> PendingTrial:
        label, architecture = self._baselines.pop(0)
        number = self._study.start_baseline(label, architecture.canonical().key)
        return PendingTrial(number, label, architecture, baseline=True)

    def _retried(self) -> PendingTrial:
        orphan = self._retry.pop(0)
        number = self._study.start(orphan.indices, orphan.key, orphan.origin, retry_of=orphan.number)
        return PendingTrial(number, f"trial-{number}", self._space.decode(orphan.indices))

    def _proposed(self, records: Sequence[Record], running: Sequence[Record]) -> PendingTrial | None:
        proposal = self._hopeful(records, running)
        if proposal is None:
            return None
        architecture = self._space.decode(proposal.indices)
        number = self._study.start(proposal.indices, architecture.key, proposal.origin)
        return PendingTrial(number, f"trial-{number}", architecture)

    def _hopeful(self, records: Sequence[Record], running: Sequence[Record]) -> Proposal | None:
        """The first proposal that is not predicted to miss the target.

        When so many are passed over it is the last of them, when nothing else is left the first.
        """
        baselines = self._study.baselines()
        history = self._history(records, baselines)
        known = [r.key for r in [*records, *baselines]]
        passed_over: list[Proposal] = []
        while True:
            proposal = propose(
                self._space,
                history,
                [r.indices for r in running],
                sampler=self._sampler,
                target_ms=self._study.target_ms,
                seed=self._seed,
                # A number of its own for each attempt, so that a random start draws another design.
                number=len(records) + len(passed_over) * _ATTEMPT,
                known=known,
                seeds=self._seeds,
                near=self._near,
            )
            if proposal is None:
                return passed_over[0] if passed_over else None
            if len(passed_over) == (PASSED_OVER if proposal.origin in _DRAWN else 1):
                return proposal
            architecture = self._space.decode(proposal.indices)
            predicted = self._predict_latency([*baselines, *records], architecture)
            if predicted is None or not self._in_vain(predicted, proposal):
                return proposal
            # The sampler learns of it as of a rejected design; only for this proposal, because it was not measured.
            history = [*history, Observation(proposal.indices, predicted.latency_ms, None, meets=False)]
            known = [*known, architecture.key]
            passed_over.append(proposal)

    def _in_vain(self, predicted: Prediction, proposal: Proposal) -> bool:
        """Whether a proposal misses the target by all of its interval, or is one drawn that is far too fast."""
        target_ms = self._study.target_ms
        beside_a_sampler = proposal.origin in _DRAWN and self._sampler != "random"
        return predicted.low_ms > target_ms or (beside_a_sampler and predicted.high_ms < NEAR * target_ms)

    def _history(self, records: Sequence[Record], baselines: Sequence[Record]) -> list[Observation]:
        """Every evaluated point of the space; baselines that lie in it teach the sampler too."""
        observed = []
        for record in [*baselines, *records]:
            if record.evaluation is None:
                continue
            indices = self._space.encode(record.evaluation.architecture) if record.baseline else record.indices
            if indices is not None:
                score, meets = record.evaluation.score, not record.evaluation.violations
                accuracy = None if score is None else score.map50_95
                observed.append(Observation(indices, record.evaluation.latency.latency_ms, accuracy, meets))
        return observed


def _accuracy(record: Record) -> float:
    return evaluated(record)[1].map50_95
