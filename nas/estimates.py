"""What a study says of its designs' accuracy: every score together, and which designs are worth more seeds."""

from collections.abc import Mapping, Sequence

from nas.denoise import Estimate, Scored, denoised
from nas.evaluate import Evaluation
from nas.study import Record

CONTENDERS = 4
"""Candidates that are trained with more seeds: the most accurate ones that meet every limit."""

Repeats = Mapping[str, Mapping[str, float | None]]
"""By label and number of the repetition: the score of another seed; None where its training failed."""


def estimates(records: Sequence[Record], repeats: Repeats) -> dict[str, Estimate]:
    """The posterior of every trained design, by label; empty where there are too few scores to learn from.

    Args:
        records: Candidates and baselines; those that were not trained are left out.
        repeats: More scores of some of them.
    """
    trained = [(record.label, record.evaluation) for record in records if record.status == "trained"]
    scored, labels = [], []
    for label, evaluation in trained:
        if evaluation is None or evaluation.score is None:
            continue
        more = (score for score in repeats.get(label, {}).values() if score is not None)
        for score in (evaluation.score.map50_95, *more):
            scored.append(Scored(evaluation.architecture, evaluation.params, evaluation.gflops, score))
            labels.append(label)
    return dict(zip(labels, denoised(scored) or (), strict=False))


def accuracy(evaluation: Evaluation, estimate: Estimate | None) -> float:
    """What a design is compared by: its estimate, or its one score where nothing could be estimated.

    Raises:
        ValueError: It was not trained.
    """
    if evaluation.score is None:
        raise ValueError(f"{evaluation.architecture.key} was not trained")
    return evaluation.score.map50_95 if estimate is None else estimate.mean


def contenders(records: Sequence[Record], baselines: Sequence[Record]) -> list[Record]:
    """The candidates that may turn out to be the best, and the baseline that they have to beat.

    Only first scores count, so that a search that goes on finds the same ones.

    Args:
        records: The candidates.
        baselines: The baselines.
    """
    known = estimates([*baselines, *records], {})

    def by_accuracy(among: Sequence[Record]) -> list[Record]:
        meeting = [
            (accuracy(record.evaluation, known.get(record.label)), -record.number, record)
            for record in among
            if record.evaluation is not None and record.status == "trained" and not record.evaluation.violations
        ]
        return [record for *_, record in sorted(meeting, key=lambda one: one[:2], reverse=True)]

    return [*by_accuracy(records)[:CONTENDERS], *by_accuracy(baselines)[:1]]
