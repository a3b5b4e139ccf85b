"""The best design beside the best baseline, from their trained models: found once, as a search concludes."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nas.errors import GhostnasError
from nas.search.compared_pictures import CONFIDENCE, compared_pictures
from nas.search.evaluate import Task, data_of
from nas.search.stage_times import stage_times
from nas.search.val_detections import Detections
from nas.study import (
    Comparison,
    Finalist,
    GroupAccuracy,
    Outcome,
    StageTime,
    compared_files,
    compared_pair,
    finalist_weights,
    write_comparison,
    yolo11_of,
)

if TYPE_CHECKING:
    from nas.proxy import Detected


def compared(outcome: Outcome, task: Task, seen: Detections, on_begin: Callable[[str], None]) -> Comparison | None:
    """The comparison of a concluded search, which is put in its `models/`.

    Args:
        outcome: The search.
        task: How it evaluates.
        seen: What its designs detect in val.
        on_begin: Called with the labels before it is made.

    Returns:
        None where nothing meets the target, or the weights or the measured file of one of the two are gone.

    Raises:
        DataError: A picture cannot be read.
        LatencyError: A file does not run here.
        StudyError: Weights cannot be read.
        StorageError: The comparison cannot be written.
    """
    pair = compared_pair(outcome)
    if pair is None:
        return None
    best, rival = pair
    if not all(finalist_weights(outcome.folder, one).is_file() for one in pair if one is not None):
        return None
    on_begin(", ".join(one.record.label for one in pair if one is not None))
    data = data_of(task)
    ours, theirs = seen(best), None if rival is None else seen(rival)
    if ours is None or (rival is not None and theirs is None):
        return None
    stages, no_stages = _stages(outcome, best, rival, task.classes)
    found = Comparison(
        label=best.record.label,
        rival=None if rival is None else rival.record.label,
        files=compared_files(best, rival),
        confidence=CONFIDENCE,
        classes=class_accuracy(data.names, ours, theirs),
        sizes=size_accuracy(ours, theirs),
        pictures=() if theirs is None else compared_pictures(data.val, ours, theirs),
        stages=stages,
        no_stages=no_stages,
    )
    write_comparison(outcome.folder, found)
    return found


def _stages(
    outcome: Outcome, best: Finalist, rival: Finalist | None, classes: int
) -> tuple[dict[str, tuple[StageTime, ...]], str | None]:
    """The times of the two designs that are drawn, or why there are none."""
    drawn = {one.record.label: one for one in (best, yolo11_of(outcome.baselines, rival)) if one is not None}
    try:
        return stage_times([*outcome.baseline_records, *outcome.records], list(drawn.values()), classes), None
    except GhostnasError as error:
        return {}, str(error)


def class_accuracy(
    names: Sequence[str], best: "Sequence[Detected]", rival: "Sequence[Detected] | None"
) -> tuple[GroupAccuracy, ...]:
    """Accuracy by class, one row a class of the data.

    Args:
        names: The classes.
        best: What the best design detects.
        rival: What the best baseline detects in the same pictures.
    """
    from nas.proxy import ap_by_class

    counts = np.bincount(np.concatenate([one.truth for one in best]).astype(int), minlength=len(names))
    ours, theirs = ap_by_class(best), {} if rival is None else ap_by_class(rival)
    return tuple(
        GroupAccuracy(name, int(counts[kind]), ours.get(kind), theirs.get(kind)) for kind, name in enumerate(names)
    )


def size_accuracy(best: "Sequence[Detected]", rival: "Sequence[Detected] | None") -> tuple[GroupAccuracy, ...]:
    """Accuracy by object size, one row a range.

    Args:
        best: What the best design detects.
        rival: What the best baseline detects in the same pictures.
    """
    from nas.proxy import SIZES, ap_by_size
    from nas.proxy.grouped_ap import areas

    every = areas(np.concatenate([one.objects for one in best]))
    ours, theirs = ap_by_size(best), {} if rival is None else ap_by_size(rival)
    return tuple(
        GroupAccuracy(
            one.name, int(((every >= one.low) & (every < one.high)).sum()), ours.get(one.name), theirs.get(one.name)
        )
        for one in SIZES
    )
