"""What is claimed of trained designs: the latency of their exported files in fresh processes, and their mAP on val.

Several files are measured in the same slices of the same processes: in the median as sure as alone, in less of the time
(docs/explanation/latency.md). Where the device is too disturbed, a design's screening stays, and it is called
unconfirmed.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from nas.data import QUANTISED_WITH, sample_pictures
from nas.errors import Unmeasurable
from nas.latency import (
    COMPARED_ON,
    DISTURBED_PAUSES_S,
    Comparison,
    Latency,
    LatencySettings,
    SizedModel,
    difference,
    opened_for_pictures,
    prepare,
    repeat_until_precise,
    retry_while_disturbed,
)
from nas.search.evaluate import Task, calibration_pictures, data_of
from nas.study import FinalMeasurement, TrainedRecord, measured_file, trained_model, weights_file
from nas.util.atomic_files import write_whole
from nas.util.machine_lock import MachineLock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from nas.data import Split
    from nas.proxy import Detected

TOGETHER = 4
"""Designs that are measured in the same slices."""


Patience = Literal["patient", "brief", "together"]
"""How often a disturbed device is asked for one design alone: again after pauses, for a minute in all; once; never."""


def remeasure(
    records: Sequence[TrainedRecord],
    task: Task,
    on_wait: Callable[[str], None] = lambda text: None,
    *,
    weights: Callable[[TrainedRecord], str] = attrgetter("label"),
    patience: Patience = "patient",
) -> list[FinalMeasurement]:
    """Export, measure and score trained designs; a design's latency and its accuracy are those of one file.

    The file stays in `models/`, under the name of its weights.

    Args:
        records: The designs; `TOGETHER` at a time are as many as have been tried.
        task: How the search evaluates.
        on_wait: Called with why a latency has to wait, or stays unconfirmed.
        weights: From a design to the file stem of its weights in `models/`; by default of its proxy.
        patience: What to do where the device is disturbed, for a design that may meet the target.

    Returns:
        One a design.

    Raises:
        LatencyError: A file could not be measured, for another reason than a disturbed device.
        StorageError: It cannot be written.
    """
    exported = [exported_model(record, task, weights(record)) for record in records]
    for record, (_, file) in zip(records, exported, strict=True):
        keep_file(file, task, weights(record))
    latencies = fresh_latencies(records, [file for _, file in exported], task, on_wait, patience)
    return [
        scored(model, file, found or record.evaluation.latency, task)
        for record, (model, file), found in zip(records, exported, latencies, strict=True)
    ]


def confirm(
    records: Sequence[TrainedRecord],
    task: Task,
    weights: Callable[[TrainedRecord], str],
    on_wait: Callable[[str], None] = lambda text: None,
) -> dict[str, Latency]:
    """The latencies of trained designs in fresh processes; nothing is scored.

    Args:
        records: The designs.
        task: How the search evaluates.
        weights: As of `remeasure`.
        on_wait: As of `remeasure`.

    Returns:
        By label, without those for which the device was too disturbed.

    Raises:
        LatencyError: A file could not be measured, for another reason than a disturbed device.
    """
    found: dict[str, Latency] = {}
    for some in (records[start : start + TOGETHER] for start in range(0, len(records), TOGETHER)):
        files = [exported_model(record, task, weights(record))[1] for record in some]
        latencies = fresh_latencies(some, files, task, on_wait, "brief")
        found |= {one.label: latency for one, latency in zip(some, latencies, strict=True) if latency is not None}
    return found


def fresh_latencies(
    records: Sequence[TrainedRecord],
    files: Sequence[SizedModel],
    task: Task,
    on_wait: Callable[[str], None],
    patience: Patience,
) -> list[Latency | None]:
    """The latencies of exported designs in fresh processes; None where the device is too disturbed.

    Args:
        records: The designs.
        files: Their files.
        task: As of `remeasure`.
        on_wait: As of `remeasure`.
        patience: As of `remeasure`.
    """
    latencies = []
    for record, file, latency in zip(records, files, _together(files, task, on_wait), strict=True):
        # What misses by all of its screening's interval, mostly a baseline, decides nothing: it is not waited for.
        may_meet = not record.evaluation.latency.above(task.limits.target_ms)
        pauses = DISTURBED_PAUSES_S if patience == "patient" and may_meet else ()
        found = latency if patience == "together" else _sure(file, latency, task, on_wait, pauses)
        if found is None:
            on_wait(f"{record.label} stays unconfirmed: the device is too disturbed")
            if patience == "patient" and may_meet:  # once it was waited for in vain, the others do not wait as long
                patience = "brief"
        latencies.append(found)
    return latencies


def exported_model(record: TrainedRecord, task: Task, weights: str) -> "tuple[nn.Module, SizedModel]":
    architecture = record.evaluation.architecture
    model = trained_model(architecture, task.classes, weights_file(task.folder, weights))
    pictures = calibration_pictures(task, architecture.imgsz, QUANTISED_WITH)
    return model, SizedModel(prepare(model, architecture.imgsz, task.latency, pictures), architecture.imgsz)


def keep_file(file: SizedModel, task: Task, weights: str) -> None:
    """Write the very file that is measured beside its weights."""
    write_whole(measured_file(weights_file(task.folder, weights), task.latency), file.model.data)


def _together(files: Sequence[SizedModel], task: Task, on_wait: Callable[[str], None]) -> "Sequence[Latency | None]":
    """The latencies of files that share their slices; none where the device is too disturbed for one of them."""

    def measured() -> Comparison:
        return task.device.compare(files)

    try:
        return retry_while_disturbed(measured, pauses_s=(), notice=on_wait).latencies
    except Unmeasurable as error:
        on_wait(str(error))
        return [None] * len(files)


def _sure(
    file: SizedModel, known: Latency | None, task: Task, on_wait: Callable[[str], None], pauses_s: Sequence[float]
) -> Latency | None:
    """A file's latency, measured alone where the target lies inside the interval; None where there is no answer."""
    if known is not None and _decided(known, task):
        return known

    def measured() -> Comparison:
        return task.device.compare([file])

    def asked() -> Comparison:
        return repeat_until_precise(
            measured, lambda one: one.width, lambda one: _decided(one.latencies[0], task), notice=on_wait
        )

    try:
        alone = retry_while_disturbed(asked, pauses_s=pauses_s if known is None else (), notice=on_wait).latencies[0]
    except Unmeasurable as error:
        on_wait(str(error))
        return known
    return alone if known is None else min(known, alone, key=lambda one: one.high_ms - one.low_ms)


def _decided(one: Latency, task: Task) -> bool:
    target_ms = task.limits.target_ms
    return task.latency.statistic != "quiet" or one.meets(target_ms) or one.above(target_ms)


def scored(model: "nn.Module", file: SizedModel, latency: Latency, task: Task) -> FinalMeasurement:
    from nas.proxy import matched, score_of, validate

    data = data_of(task)
    val = score_of([matched(one) for one in detected_by_file(file, data.val, task.latency)])
    val_float = None
    if task.latency.precision != "float32":
        val_float = validate(model, data.val, data, file.imgsz, device=task.proxy.device, lock=MachineLock())
    seen = sample_pictures(task.data, file.imgsz, COMPARED_ON, "val", task.fraction)
    return FinalMeasurement(
        latency, val, val_float, file_difference(file, model, seen, task.latency), file.model.digest
    )


def file_difference(
    file: SizedModel, model: "nn.Module", pictures: "NDArray[np.float32]", latency: LatencySettings
) -> float:
    import torch

    from nas.model import fused

    deployed = fused(model.cpu())

    def expected(batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        with torch.inference_mode():
            found: NDArray[np.float32] = deployed(torch.from_numpy(batch))[0].numpy()
        return found

    with opened_for_pictures(file, latency) as predict:
        return difference(predict, expected, pictures)


def detected_by_file(file: SizedModel, split: "Split", latency: LatencySettings) -> "list[Detected]":
    """What a file detects in every picture, in the runtime and precision in which it is timed.

    Raises:
        RuntimeMissing: The runtime is not installed on this machine.
        LatencyError: The file does not run here.
    """
    import torch

    from nas.proxy import detect

    with opened_for_pictures(file, latency) as predict:
        return detect(lambda images: torch.from_numpy(predict(images.numpy())), split, file.imgsz, MachineLock())
