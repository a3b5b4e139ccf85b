"""What finalists detect in val, by the very files that were measured; each is looked at once."""

from typing import TYPE_CHECKING

from nas.search.evaluate import Task, data_of
from nas.search.remeasure import detected_by_file, exported_model
from nas.study import Finalist, finalist_weights

if TYPE_CHECKING:
    from nas.proxy import Detected


class Detections:
    """Detections of finalists in every picture of val."""

    def __init__(self, task: Task) -> None:
        """Begin with none.

        Args:
            task: How the search evaluates.
        """
        self._task = task
        self._known: dict[str, list[Detected]] = {}

    def __call__(self, finalist: Finalist) -> "list[Detected]":
        """What a finalist detects, one a picture in val's order.

        Args:
            finalist: The finalist.

        Raises:
            LatencyError: Its file does not run here.
            StudyError: Its weights cannot be read.
        """
        key = finalist.final.file
        if key not in self._known:
            _, file = exported_model(finalist.record, self._task, finalist_weights(self._task.folder, finalist).stem)
            self._known[key] = detected_by_file(file, data_of(self._task).val, self._task.latency)
        return self._known[key]
