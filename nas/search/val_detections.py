"""What finalists detect in val, by the very files that were measured; each is looked at once."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from nas.latency import ModelBytes, SizedModel
from nas.search.evaluate import Task, data_of
from nas.search.remeasure import detected_by_file, exported_model
from nas.study import Finalist, finalist_weights, measured_file
from nas.util.provenance import file_digest

if TYPE_CHECKING:
    from nas.proxy import Detected


class Detections:
    """Detections of finalists in every picture of val."""

    def __init__(self, task: Task, notice: Callable[[str], None] = lambda text: None) -> None:
        """Begin with none.

        Args:
            task: How the search evaluates.
            notice: Called with why a finalist cannot be looked at.
        """
        self._task = task
        self._notice = notice
        self._known: dict[str, list[Detected] | None] = {}

    def __call__(self, finalist: Finalist) -> "list[Detected] | None":
        """What a finalist detects, one a picture in val's order.

        Args:
            finalist: The finalist.

        Returns:
            None where the file that was measured is gone, and its weights now give another.

        Raises:
            LatencyError: Its file does not run here.
            StudyError: Its weights cannot be read.
        """
        key = finalist.final.file
        if key not in self._known:
            file = self._measured(finalist)
            val, latency = data_of(self._task).val, self._task.latency
            self._known[key] = None if file is None else detected_by_file(file, val, latency)
        return self._known[key]

    def _measured(self, finalist: Finalist) -> SizedModel | None:
        weights, wanted = finalist_weights(self._task.folder, finalist), finalist.final.file
        path = measured_file(weights, self._task.latency)
        if path.is_file() and file_digest(path) == wanted:
            return SizedModel(ModelBytes.from_file(path), finalist.evaluation.architecture.imgsz)
        _, file = exported_model(finalist.record, self._task, weights.stem)
        if file.model.digest == wanted:
            return file
        label = finalist.record.label
        self._notice(f"the file that was measured of {label} is gone, and its weights now give another: not compared")
        return None
