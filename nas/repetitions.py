"""The last phase of a search: the best candidates and the best baseline are trained with other seeds.

What is done stands in the study; a repetition that was interrupted or failed is tried again by the next search that
opens it.
"""

from typing import Literal

from nas.estimates import contenders
from nas.study import REPEATS, Record, StoredStudy


class Repetitions:
    """Which contender is trained with which other seed next."""

    def __init__(self, study: StoredStudy, number: int) -> None:
        """Begin.

        Args:
            study: The stored study.
            number: Other seeds a contender; 0 for none.
        """
        self._study, self._number = study, number
        self._contenders: list[Record] | None = None
        self._running: set[tuple[str, int]] = set()
        self._failed: set[tuple[str, int]] = set()
        self._before = self._stored()

    def next(self, parallel: int) -> tuple[Record, int] | Literal["wait"] | None:
        """The next contender and the number of its repetition, or None when all are done.

        Args:
            parallel: How many may be under way at once.
        """
        if self._contenders is None:  # every trial has ended
            self._contenders = contenders(self._study.records(), self._study.baselines()) if self._number else []
        missing = self._missing()
        if not missing:
            return "wait" if self._running else None
        if len(self._running) >= parallel:
            return "wait"
        label, number = missing[0]
        self._running.add((label, number))
        return next(record for record in self._contenders if record.label == label), number

    def done(self, label: str, number: int, score: float) -> None:
        """Keep a score."""
        kept = {name: dict(scores) for name, scores in self._study.repeats().items()}
        kept.setdefault(label, {})[str(number)] = score
        self._study.keep(REPEATS, kept)
        self._running.discard((label, number))

    def fail(self, label: str, number: int) -> None:
        """A repetition gave nothing; it is not tried again by this search."""
        self._running.discard((label, number))
        self._failed.add((label, number))

    @property
    def wanted(self) -> int:
        """Repetitions that there will be; 0 before they begin."""
        return len(self._all())

    @property
    def finished(self) -> int:
        """Repetitions that have a score."""
        return len(self._all()) - len(self._missing()) - len(self._running) - len(self._failed)

    @property
    def failures(self) -> int:
        """Repetitions that gave nothing."""
        return len(self._failed)

    @property
    def finished_here(self) -> int:
        """Scores since the search (re)started."""
        return self._stored() - self._before

    def _all(self) -> list[tuple[str, int]]:
        """One of every contender before the next."""
        numbers = range(1, self._number + 1)
        return [(record.label, number) for number in numbers for record in self._contenders or ()]

    def _missing(self) -> list[tuple[str, int]]:
        kept, taken = self._study.repeats(), self._running | self._failed
        return [key for key in self._all() if str(key[1]) not in kept.get(key[0], {}) and key not in taken]

    def _stored(self) -> int:
        return sum(map(len, self._study.repeats().values()))
