"""The last phase of a search: its best candidates are trained with other seeds, until they have all of theirs.

A design whose first score was luck drops out of the best candidates, and the next one is trained instead. So this ends
when the best designs are the best by several seeds each. What is done stands in the study. A replicate that was
interrupted or failed is tried again by the next search that opens it.
"""

from nas.search.pending_trial import NoTrial, Replicate
from nas.search.progress import OtherSeeds
from nas.study import StoredStudy, TrainedRecord, top_candidates


class Replicates:
    """Which design is trained with which other seed next."""

    def __init__(self, study: StoredStudy, number: int) -> None:
        """Begin.

        Args:
            study: The stored study.
            number: Other seeds a design; 0 for none.
        """
        self._study, self._number = study, number
        self._top: tuple[int, list[TrainedRecord]] | None = None
        self._running: set[tuple[str, int]] = set()
        self._failed: set[tuple[str, int]] = set()

    def next(self, parallel: int) -> tuple[TrainedRecord, Replicate] | NoTrial:
        """The next design and its replicate, or why there is none now.

        Args:
            parallel: How many may be under way at once.
        """
        missing = self._missing(self._now()) if self._number else []  # every trial has ended
        if not missing:
            return NoTrial.WAIT if self._running else NoTrial.DONE
        if len(self._running) >= parallel:
            return NoTrial.WAIT
        record, number = missing[0]
        self._running.add((record.label, number))
        return record, Replicate(number)

    def done(self, label: str, number: int, score: float) -> None:
        """Keep a score."""
        kept = {name: dict(scores) for name, scores in self._study.repeats().items()}
        kept.setdefault(label, {})[str(number)] = score
        self._study.keep("repeats", kept)
        self._running.discard((label, number))

    def again(self, label: str, number: int) -> None:
        """A replicate was broken off, by no fault of the design: it begins anew."""
        self._running.discard((label, number))

    def fail(self, label: str, number: int) -> None:
        """A replicate gave nothing; it is not tried again by this search."""
        self._running.discard((label, number))
        self._failed.add((label, number))

    @property
    def running(self) -> int:
        """Replicates under way."""
        return len(self._running)

    @property
    def progress(self) -> OtherSeeds | None:
        """How far the replicates have come, if no other design becomes one of the best; None before they begin."""
        if self._top is None:
            return None
        done, failed = self._finished(), len(self._failed)
        return OtherSeeds(done, done + failed + self._left(), failed)

    def _left(self) -> int:
        return len(self._running) + len(self._missing(self._now()))

    def _finished(self) -> int:
        return sum(map(len, self._study.repeats().values()))

    def _now(self) -> list[TrainedRecord]:
        """The best candidates by the scores that are stored."""
        scores = self._finished()
        if self._top is None or self._top[0] != scores:
            study = self._study
            self._top = scores, top_candidates(study.records(), study.baselines(), study.repeats())
        return self._top[1]

    def _missing(self, records: list[TrainedRecord]) -> list[tuple[TrainedRecord, int]]:
        """One of every design before the next."""
        kept, taken = self._study.repeats(), self._running | self._failed
        every = [(record, number) for number in range(1, self._number + 1) for record in records]
        return [
            (record, number)
            for record, number in every
            if str(number) not in kept.get(record.label, {}) and (record.label, number) not in taken
        ]
