"""What a study says of its designs' accuracy: every score together, and which designs are worth more seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from nas.study.record import Record, TrainedRecord, trained
from nas.surrogate import AccuracyEstimate, ScoredDesign, ScorePosterior, posterior_of

TOP_K = 3
"""Candidates that are trained more than once: the most accurate ones that meet every limit."""

Repeats = Mapping[str, Mapping[str, float]]
"""By label and number of the replicate: the score of another seed."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """The accuracy of every trained design, by label.

    Attributes:
        scores: The design's own scores, one a seed.
        together: What all scores say together, a row a score; None where there are too few to learn from.
    """

    scores: Mapping[str, tuple[float, ...]]
    together: ScorePosterior | None

    def accuracy(self, label: str) -> float:
        """What a design is compared by: its posterior mean, or the mean of its own scores.

        Raises:
            KeyError: It was not trained.
        """
        estimate = self.interval(label)
        return mean(self.scores[label]) if estimate is None else estimate.mean

    def interval(self, label: str) -> AccuracyEstimate | None:
        """A design's estimate; None where nothing could be learnt, or it was not trained."""
        return None if self.together is None or label not in self.scores else self.together.estimates[self._row(label)]

    def seeds(self, label: str) -> int:
        """How many proxies of a design there are."""
        return len(self.scores.get(label, ()))

    def apart(self, first: str, second: str) -> bool:
        """Whether the 95% interval of two designs' difference excludes zero; False where nothing could be learnt."""
        return self.together is not None and self.together.apart(self._row(first), self._row(second))

    def _row(self, label: str) -> int:
        labels = list(self.scores)
        return sum(len(self.scores[one]) for one in labels[: labels.index(label)])


def estimates(records: Sequence[Record], repeats: Repeats) -> Estimates:
    """The accuracy of every trained design.

    Args:
        records: Candidates and baselines; those that were not trained are left out.
        repeats: More scores of some of them.
    """
    scores: dict[str, tuple[float, ...]] = {}
    scored = []
    for record in trained(records):
        found = record.evaluation
        mine = scores[record.label] = (record.score.map50_95, *repeats.get(record.label, {}).values())
        scored += [ScoredDesign(found.architecture, found.params, found.gflops, score) for score in mine]
    return Estimates(scores, posterior_of(scored))


def top_candidates(records: Sequence[Record], baselines: Sequence[Record], repeats: Repeats) -> list[TrainedRecord]:
    """The candidates that are the best by every score so far, and the baseline that they have to beat.

    Args:
        records: The candidates.
        baselines: The baselines.
        repeats: More scores of some of them.
    """
    known = estimates([*baselines, *records], repeats)
    return [*most_accurate(records, known)[:TOP_K], *most_accurate(baselines, known)[:1]]


def most_accurate(records: Sequence[Record], known: Estimates) -> list[TrainedRecord]:
    """The trained designs that meet every limit, the most accurate first.

    Args:
        records: Candidates or baselines.
        known: What all scores say.
    """
    meeting = [record for record in trained(records) if not record.evaluation.violations]
    return sorted(meeting, key=lambda record: (-known.accuracy(record.label), record.number))
