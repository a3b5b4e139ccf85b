"""Weights that are needed and not in the results folder, as where a search goes on elsewhere: trained again.

A study holds scores and settings, the results folder weights. Without these every score stays, and what is measured of
a design is measured of its second training. The report says of which designs that is.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from nas.architecture import to_yaml
from nas.search.conclude import weights_of
from nas.search.evaluate import Task, train_promoted, train_weights
from nas.search.pending_trial import Promotion
from nas.study import StoredStudy, TrainedRecord, longest, rung_scores, weights_file, write_text


def train_missing(
    records: Sequence[TrainedRecord],
    study: StoredStudy,
    task: Task,
    on_wait: Callable[[str], None] = lambda text: None,
) -> list[str]:
    """Train designs again whose weights are not in the results folder, as long as they were; their scores stay.

    Their final measurements, which were of other weights, are not kept.

    Args:
        records: Designs whose weights are needed.
        study: The stored study; it keeps which were trained again.
        task: How the search evaluates.
        on_wait: Told of each before it is trained.

    Returns:
        The file stems of the weights that were trained again.

    Raises:
        ProxyError: A training gave no usable score.
        DataChanged: The data set is not the one with which the search began.
        StorageError: The results folder cannot be written.
    """
    rungs = rung_scores(study)
    name_of = weights_of(rungs)
    missing = [one for one in records if not weights_file(task.folder, name_of(one)).is_file()]
    for record in missing:
        name, last = name_of(record), longest(rungs.get(record.label, {}))
        on_wait(f"the weights of {name} are not in {task.folder}: it is trained again, and its score stays")
        design = record.evaluation.architecture
        if last is None:
            shorter = replace(task, proxy=task.proxy.with_steps(study.proxy_steps))
            train_weights(design, shorter, record.label, record.baseline)
        else:
            train_promoted(design, task, record.label, Promotion(last.steps, last.lr), record.baseline)
        study.keep("retrained", sorted({*(study.attribute("retrained") or ()), name}))
        finals = study.attribute("finals") or {}
        study.keep("finals", {key: final for key, final in finals.items() if key != name})
    return list(map(name_of, missing))


def write_missing_designs(study: StoredStudy, task: Task) -> None:
    """Write the YAML of every trained design that is not in the results folder.

    Raises:
        StorageError: It cannot be written.
    """
    for record in [*study.trained_baselines(), *study.trained()]:
        path = task.folder / "models" / f"{record.label}.yaml"
        if not path.is_file():
            write_text(path, to_yaml(record.evaluation.architecture, task.classes))
