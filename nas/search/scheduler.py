"""Which trial comes next, what is stored of its result, and when a search ends.

The scheduler does not know how trials run: an executor calls `ask()`, carries the trial out somewhere, and calls
`tell()` with what came of it. What to propose is decided in `proposals.py`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from nas.architecture import Architecture
from nas.errors import DataChanged, DeviceLost, GhostnasError, ProxyError, StorageError
from nas.proxy import Score
from nas.search.batch import BATCHES, MANY
from nas.search.effort import Rung
from nas.search.first_rung import FirstRung
from nas.search.pending_trial import Failure, More, NoTrial, PendingTrial, Promotion, Replicate, Result
from nas.search.progress import Progress
from nas.search.promotions import Confirm, Promotions
from nas.search.proposals import Proposer
from nas.search.replicates import Replicates
from nas.search.sampler import Proposal
from nas.study import INTERRUPTED, Evaluation, Record, RungScore, StoredStudy, TrainedRecord, rung_scores

REJECTED_A_TRAINED = 30
FAILURES_IN_A_ROW = 5

End = Literal["budget", "time", "exhausted", "rejections"]


class TrialScheduler:
    """Asks for, counts and stores the trials of one search."""

    def __init__(
        self,
        study: StoredStudy,
        proposer: Proposer,
        *,
        budget: int,
        parallel: int = 1,
        max_seconds: float | None = None,
        baselines: Mapping[str, Architecture] | None = None,
        replicates: int = 0,
        rungs: Sequence[Rung] = (),
        confirm: Confirm = lambda records: {},
        left: Callable[[], float] | None = None,
        notice: Callable[[str], None] = lambda text: None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take up a search where its study stands.

        Args:
            study: The stored study.
            proposer: What to evaluate next.
            budget: Candidates to train in the whole study.
            parallel: Trials that may be under way at once.
            max_seconds: No candidate begins later than this many seconds from now; baselines and trainings at rungs do.
            baselines: Known designs, by label; each is trained once, before the candidates, outside the budget.
            replicates: Other seeds with which the best candidates and the best baseline are trained in the end; none
                where there are rungs.
            rungs: The longer trainings that the best candidates and the best baselines are promoted to.
            confirm: Measures in fresh processes who may be promoted to the last rung.
            left: Estimates the seconds to the end.
            notice: Told when proxies are lengthened, because the baselines' scores rank nothing.
            on_progress: Called after every change.
            clock: Seconds, for tests.
        """
        self._study, self._proposer = study, proposer
        self._budget, self._parallel, self._max_seconds = budget, parallel, max_seconds
        self._replicates = Replicates(study, 0 if rungs else replicates)
        self._promotions = Promotions(study, rungs, budget, confirm)
        self._left, self._on_progress, self._clock = left, on_progress, clock
        self._begun = clock()
        self._retry = study.orphans()
        self._first_rung, self._notice = FirstRung(study, rungs), notice
        self._known = dict(baselines or {})
        self._baselines = self._untrained()
        self._failures, self._exhausted = 0, False
        self._tried_again: set[tuple[str, More | None]] = set()
        self._batch: list[Proposal] = []
        self.ended: End | None = None

    def ask(self) -> PendingTrial | NoTrial:
        """The next trial, or why there is none now."""
        records = self._study.records()
        trained = sum(r.status == "trained" for r in records)
        running = [r for r in records if r.status == "running"]
        busy = len(running) + sum(r.status == "running" for r in self._study.baselines())
        training = busy + self._promotions.running
        if (baseline := self._next_baseline(busy)) is not None:
            return baseline
        if (end := self._over(records, trained)) is not None:
            return NoTrial.WAIT if busy else self._further(end)
        if training >= self._parallel:
            return NoTrial.WAIT
        if not isinstance(promoted := self._promotions.next(self._parallel - busy, ended=False), NoTrial):
            return _more(*promoted)
        if trained + len(running) >= self._budget:
            return NoTrial.WAIT
        if self._retry:
            return self._retried()
        if not self._exhausted and (proposed := self._proposed(records)):
            return proposed
        self._exhausted = True
        return NoTrial.WAIT if busy else self._further("exhausted")

    @property
    def _late(self) -> bool:
        return self._max_seconds is not None and self._clock() - self._begun >= self._max_seconds

    def _over(self, records: Sequence[Record], trained: int) -> End | None:
        """Why no further candidate begins; None where one may."""
        if trained >= self._budget:
            return "budget"
        if self._late:
            return "time"
        rejected = sum(record.status == "rejected" for record in records)
        return "rejections" if rejected >= REJECTED_A_TRAINED * self._budget else None

    def tell(self, pending: PendingTrial, result: Result) -> None:
        """Store what came of a trial.

        What could not be measured on a disturbed device, or trained in a full memory, is tried once more, then it has
        failed. Of a failed replicate nothing is stored. A trial that met a fault of the machine did not
        fail: it stays in the study, running, and the next search that opens it repeats it (`StoredStudy.orphans`).

        Args:
            pending: The trial.
            result: Its result, of the kind that the trial asked for, or a failure.

        Raises:
            DeviceLost: The device is gone; the search is stopped.
            StorageError: A file could not be written; the search is stopped.
            DataChanged: The data are not the same any more; the search is stopped.
            ProxyError: Several trials failed in a row, so the fault is not the candidates'; or a GPU met a fault after
                which this process cannot use it.
        """
        match result:
            case Failure("device lost" | "not written" | "data changed" | "process unusable"):
                raise _stopped(pending, result)
            case Failure("disturbed" | "no memory" as kind, reason) if self._may_retry(pending):
                # A full memory stops all that run at once. It is their number's fault, and fewer run from now on.
                self._failed(self._taken_back(pending), reason, counts=kind == "disturbed")
            case Failure(_, reason):
                self._failed(self._store_failure(pending, reason), reason)
            case _:
                self._succeeded(self._store(pending, result))

    def _store(self, pending: PendingTrial, found: Evaluation | Score | RungScore) -> Record | None:
        match pending.more, found:
            case None, Evaluation():
                return self._study.finish(pending.number, found, pending.baseline)
            case Replicate(number), Score():
                self._replicates.done(pending.label, number, found.map50_95)
            case Promotion(), RungScore():
                self._promotions.done(pending.label, found)
            case _:
                raise TypeError(f"{pending.label}: {type(found).__name__} is no answer to {pending.more}")
        return None

    def _store_failure(self, pending: PendingTrial, reason: str) -> Record | None:
        match pending.more:
            case None:
                return self._study.fail(pending.number, reason, pending.baseline)
            case Replicate(number):
                self._replicates.fail(pending.label, number)
            case Promotion(steps):
                self._promotions.fail(pending.label, steps, reason)
        return None

    def _may_retry(self, pending: PendingTrial) -> bool:
        """Whether a trial is a first attempt."""
        if pending.baseline or pending.more is not None:
            return (pending.label, pending.more) not in self._tried_again
        return self._study.records()[pending.number].retried is None

    def _taken_back(self, pending: PendingTrial) -> Record | None:
        """Let a trial begin anew."""
        if pending.more is None and not pending.baseline:
            record = self._study.fail(pending.number, INTERRUPTED)
            self._retry.append(record)
            return record
        self._tried_again.add((pending.label, pending.more))
        match pending.more:
            case None:
                self._baselines.append((pending.label, pending.architecture))
                return self._study.fail(pending.number, INTERRUPTED, baseline=True)
            case Replicate(number):
                self._replicates.again(pending.label, number)
            case Promotion(steps):
                self._promotions.again(pending.label, steps)
        return None

    def _succeeded(self, record: Record | None) -> None:
        if record is None or record.status == "trained":  # a rejection says nothing about whether trainings work
            self._failures = 0
        self._on_progress(self.progress(record))

    def progress(self, last: Record | None = None) -> Progress:
        """How far the search has come."""
        records = self._study.records()
        status = [r.status for r in records]
        return Progress(
            budget=self._budget,
            trained=status.count("trained"),
            rejected=status.count("rejected"),
            failed=status.count("failed"),
            running=status.count("running"),
            best=max(self._study.trained(), key=lambda r: r.score.map50_95, default=None),
            last=last,
            seconds=self._clock() - self._begun,
            left_s=None if self._left is None else self._left(),
            other_seeds=self._replicates.progress,
            rungs=self._promotions.progress,
        )

    def _failed(self, record: Record | None, reason: str, counts: bool = True) -> None:
        self._failures += counts
        self._on_progress(self.progress(record))
        if self._failures >= FAILURES_IN_A_ROW:
            raise ProxyError(
                f"{self._failures} trials failed in a row, the last with: {reason}. "
                "The search was stopped; what is finished is kept, and the same command goes on"
            )

    def _further(self, end: End) -> PendingTrial | NoTrial:
        """The next training of one of the best, or the search's end; no trial is running.

        What has rungs finishes them whatever the time: its candidates were planned to leave time for them.
        """
        found: tuple[TrainedRecord, More] | NoTrial = self._promotions.next(self._parallel, ended=True)
        if found is NoTrial.DONE:
            late = self._late
            found = self._replicates.next(0 if late else self._parallel)
            if late and found is NoTrial.WAIT and not self._replicates.running:
                end, found = "time", NoTrial.DONE
        if found is NoTrial.DONE:
            self.ended = end
        return found if isinstance(found, NoTrial) else _more(*found)

    def _next_baseline(self, busy: int) -> PendingTrial | NoTrial | None:
        """The next baseline, again where proxies are lengthened; None where every one has its score."""
        if self._baselines:
            return NoTrial.WAIT if busy >= self._parallel else self._baseline()
        if self._first_rung.longer is None:
            return None
        if busy:
            return NoTrial.WAIT
        if (why := self._first_rung.lengthened()) is not None:
            self._notice(why)
            self._baselines = self._untrained()
        return self._baseline() if self._baselines else None

    def _baseline(self) -> PendingTrial:
        label, architecture = self._baselines.pop(0)
        number = self._study.start_baseline(label, architecture.canonical().key)
        return PendingTrial(number, label, architecture, baseline=True, steps=self._study.proxy_steps)

    def _untrained(self) -> list[tuple[str, Architecture]]:
        """The baselines that have no score of the proxies' length."""
        done = self._first_rung.trained()
        return [(label, design) for label, design in self._known.items() if label not in done]

    def _retried(self) -> PendingTrial:
        orphan = self._retry.pop(0)
        number = self._study.start(orphan.indices, orphan.key, orphan.origin, retry_of=orphan.number)
        design = self._proposer.space.decode(orphan.indices)
        return PendingTrial(number, f"trial-{number}", design, steps=self._study.proxy_steps)

    def _proposed(self, records: Sequence[Record]) -> PendingTrial | None:
        proposal = self._of_batch(records) or self._proposer.propose(
            records, self._study.baselines(), rung_scores(self._study)
        )
        if proposal is None:
            return None
        architecture = self._proposer.space.decode(proposal.indices)
        number = self._study.start(proposal.indices, architecture.key, proposal.origin)
        return PendingTrial(number, f"trial-{number}", architecture, steps=self._study.proxy_steps)

    def _of_batch(self, records: Sequence[Record]) -> Proposal | None:
        """The next proposal of a batch, where there are many workers."""
        if self._parallel <= MANY:
            return None
        if not self._batch:
            count = self._parallel // BATCHES
            rungs = rung_scores(self._study)
            self._batch = self._proposer.propose_batch(records, self._study.baselines(), rungs, count)
        return self._batch.pop(0) if self._batch else None


def _more(record: TrainedRecord, more: More) -> PendingTrial:
    """A design that was evaluated, to be trained once more."""
    return PendingTrial(record.number, record.label, record.evaluation.architecture, record.baseline, more)


def _stopped(pending: PendingTrial, failure: Failure) -> GhostnasError:
    """What stops a search in which a trial met a fault of the machine."""
    kinds: dict[str, type[GhostnasError]] = {"not written": StorageError, "data changed": DataChanged}
    if failure.kind == "process unusable":
        return ProxyError(
            f"the search was stopped at {pending.label}: {failure.reason}. Nothing computes on that GPU any more in "
            "this process; what is finished is kept, and the same command goes on in another"
        )
    if failure.kind in kinds:
        return kinds[failure.kind](
            f"the search was stopped at {pending.label}: {failure.reason}. What is finished is kept; when that is "
            "mended, the same command goes on with it"
        )
    return DeviceLost(
        f"the search was stopped at {pending.label}, whose latency could not be measured: {failure.reason}. What is "
        "finished is kept; when the device is back, the same command goes on with it"
    )
