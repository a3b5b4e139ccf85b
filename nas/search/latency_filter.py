"""Latencies that are predicted before anything is built for a measurement, from what a search has measured.

A prediction only chooses what is measured next; it rejects nothing. A proposal that it passes over is not a trial, is
not stored, and may come again once more is known.
"""

from collections.abc import Callable, Sequence

import numpy as np

from nas.architecture import Architecture
from nas.errors import GhostnasError
from nas.latency.predictor import LEAST_SAMPLES, Prediction, Predictor, Sample, features_of
from nas.search.evaluate import Task
from nas.study import Evaluation, Record
from nas.util.machine_lock import MachineLock

LEARNT_FROM = 32
"""Measured designs that the predictor is fitted to, the latest ones."""

PredictLatency = Callable[[Sequence[Record], Architecture], Prediction | None]
"""From what was measured and a design to its predicted latency; None where nothing can be predicted."""


def no_prediction(records: Sequence[Record], design: Architecture) -> Prediction | None:
    """Predicts nothing."""
    return None


def latency_predictor(task: Task) -> PredictLatency:
    """Predictions for one search, from its own screenings.

    Args:
        task: How the search evaluates; its latencies are what is predicted.
    """

    def predicted(records: Sequence[Record], design: Architecture) -> Prediction | None:
        measured = [record.evaluation for record in records if record.evaluation is not None][-LEARNT_FROM:]
        if len(measured) < LEAST_SAMPLES:
            return None
        try:
            with MachineLock().training():  # building a graph keeps a core busy
                known = [sample_of(one, task.classes) for one in measured]
                wanted = features_of(design, task.classes)
            found = Predictor.fit(known).predict(wanted)
        except (GhostnasError, np.linalg.LinAlgError):
            return None  # what cannot be predicted is measured, as everything was before the eighth measurement
        return None if found.outside else found

    return predicted


def sample_of(evaluation: Evaluation, classes: int) -> Sample:
    """What a measurement teaches the predictor."""
    latency = evaluation.latency
    half_width = (latency.high_ms - latency.low_ms) / 2 / latency.latency_ms
    return Sample(features_of(evaluation.architecture, classes), latency.latency_ms, half_width)
