"""What a study says of its designs' accuracy: every score together, and which designs are worth more seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean

from nas.study.record import Record, TrainedRecord, trained
from nas.study.rungs import RungScores
from nas.surrogate import AccuracyEstimate, ScoredDesign, ScorePosterior, posterior_of

TOP_K = 3
"""Candidates that are trained more than once: the most accurate ones that meet every limit."""

Repeats = Mapping[str, Mapping[str, float]]
"""By label and number of the replicate: the score of another seed."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """The accuracy of every trained design, by label.

    Attributes:
        scores: The proxies' scores, one a seed.
        together: What all scores say together, those of longer trainings too; None where there are too few to learn
            from.
        rows: A row of `together` for every label.
        promoted: By label, the score of the longest training above the proxies, and its steps.
    """

    scores: Mapping[str, tuple[float, ...]]
    together: ScorePosterior | None
    rows: Mapping[str, int] = field(default_factory=dict)
    promoted: Mapping[str, tuple[int, float]] = field(default_factory=dict)

    def accuracy(self, label: str) -> float:
        """What a design is compared by: its posterior mean, or the mean of its proxies' scores.

        Raises:
            KeyError: It was not trained.
        """
        estimate = self.interval(label)
        return mean(self.scores[label]) if estimate is None else estimate.mean

    def interval(self, label: str) -> AccuracyEstimate | None:
        """A design's estimate; None where nothing could be learnt, or it was not trained."""
        return None if self.together is None or label not in self.rows else self.together.estimates[self.rows[label]]

    def seeds(self, label: str) -> int:
        """How many proxies of a design there are."""
        return len(self.scores.get(label, ()))

    def apart(self, first: str, second: str) -> bool:
        """Whether the 95% interval of two designs' difference excludes zero; False where nothing could be learnt."""
        return self.together is not None and self.together.apart(self.rows[first], self.rows[second])

    def order(self, labels: Sequence[str]) -> list[str]:
        """Designs by how probable each is the most accurate of them, the most probable first.

        Where nothing could be learnt, by the longest trainings: more steps first, then the higher score.

        Args:
            labels: The designs; equally probable ones stay in their order.

        Raises:
            KeyError: One was not trained.
        """
        if self.together is None or not labels:
            return sorted(labels, key=lambda one: self.promoted.get(one, (0, mean(self.scores[one]))), reverse=True)
        likely = dict(zip(labels, self.together.best_of([self.rows[label] for label in labels]), strict=True))
        return sorted(labels, key=lambda label: (-likely[label], -self.accuracy(label)))


def estimates(records: Sequence[Record], repeats: Repeats, rungs: RungScores | None = None) -> Estimates:
    """The accuracy of every trained design.

    Args:
        records: Candidates and baselines; those that were not trained are left out.
        repeats: More scores of some of them.
        rungs: Scores of longer trainings of some of them.
    """
    longer = rungs or {}
    levels = sorted({steps for some in longer.values() for steps in some})
    scores: dict[str, tuple[float, ...]] = {}
    rows: dict[str, int] = {}
    promoted: dict[str, tuple[int, float]] = {}
    scored: list[ScoredDesign] = []
    for record in trained(records):
        label, found = record.label, record.evaluation
        rows[label] = len(scored)
        mine = scores[label] = (record.score.map50_95, *repeats.get(label, {}).values())
        every = [(0, score) for score in mine]
        every += [(1 + levels.index(steps), one.score.map50_95) for steps, one in longer.get(label, {}).items()]
        scored += [ScoredDesign(found.architecture, found.params, found.gflops, score, rung) for rung, score in every]
        if longer.get(label):
            promoted[label] = max((steps, one.score.map50_95) for steps, one in longer[label].items())
    return Estimates(scores, posterior_of(scored), rows, promoted)


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
