"""The file that was measured of the best design: at hand when the results folder is written, or measured anew."""

from collections.abc import Callable, Sequence

from nas.search.conclude import conclude
from nas.search.evaluate import Task
from nas.search.missing_weights import train_missing
from nas.search.remeasure import exported_model, keep_file
from nas.study import (
    Finalist,
    Finalists,
    StoredStudy,
    TrainedRecord,
    choose_best,
    finalist_weights,
    measured_file,
)
from nas.util.provenance import file_digest


def conclude_with_file(
    study: StoredStudy,
    task: Task,
    on_step: Callable[[str], None] = lambda label: None,
    on_wait: Callable[[str], None] = lambda text: None,
    *,
    hurried: bool = False,
) -> Finalists:
    """Finish a search (`conclude`) so that the file that was measured of its best design is in `models/`.

    Where it is gone, it is exported again. Where that gives another file, as with other versions of libraries, the
    design is measured again. Weights that are gone are trained again, of what is handed over as well (`hand_over`).
    The arguments are those of `conclude`.

    Raises:
        LatencyError: A finalist could not be measured, for another reason than a disturbed device.
        ProxyError: A training that had to be repeated gave no usable score.
        StudyError: The weights of a finalist cannot be read.
        StorageError: The file cannot be written.
    """

    def need(records: Sequence[TrainedRecord]) -> list[str]:
        return train_missing(records, study, task, on_wait)

    while True:
        finalists = conclude(study, task, on_step, on_wait, need, hurried=hurried)
        every = [*finalists.baselines, *finalists.front, *finalists.promoted]
        best = choose_best(every)
        if not need([one.record for one in every if one is best or one.longest is not None]):
            break  # else they are measured once more
    if best is None or _at_hand(best, task) or _made_again(best, task):
        return finalists
    on_wait(f"the file that was measured of {best.record.label} is gone, and its weights now give another: once more")
    name = finalist_weights(task.folder, best).stem
    study.keep("finals", {key: one for key, one in (study.attribute("finals") or {}).items() if key != name})
    return conclude(study, task, on_step, on_wait, need, hurried=hurried)


def _at_hand(best: Finalist, task: Task) -> bool:
    path = measured_file(finalist_weights(task.folder, best), task.latency)
    return path.is_file() and file_digest(path) == best.final.file


def _made_again(best: Finalist, task: Task) -> bool:
    name = finalist_weights(task.folder, best).stem
    _, file = exported_model(best.record, task, name)
    if file.model.digest != best.final.file:
        return False
    keep_file(file, task, name)
    return True
