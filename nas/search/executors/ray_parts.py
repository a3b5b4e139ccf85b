"""The two ends that Ray Tune talks to: a searcher in this process and workers elsewhere. Imports Ray."""

import os
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from nas.search.evaluate import Task
from nas.search.executors.run_trial import Trainers
from nas.search.pending_trial import PENDING, RESULT, Failure, NoTrial, PendingTrial
from nas.search.scheduler import TrialScheduler


class Worker(tune.Trainable):  # type: ignore[misc]
    """Carries out one pending trial a configuration; the process is reused for the next."""

    def setup(self, config: dict[str, Any], task: Task, trainers: Trainers, folder: str) -> None:
        """Go to the search's folder; take the first configuration and what stays the same for all."""
        os.chdir(folder)
        self._config, self._task, self._trainers = config, task, trainers

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next configuration."""
        self._config = new_config
        return True

    def step(self) -> dict[str, Any]:
        """Carry it out; a failure is an answer too."""
        pending = PENDING.validate_json(self._config["pending"])
        return {"done": True, "result": RESULT.dump_json(self._trainers.attempt(pending, self._task)).decode()}


class SchedulerSearcher(Searcher):  # type: ignore[misc]
    """Passes Tune's questions on to the scheduler.

    Attributes:
        error: What ended the search, to be raised once Tune has returned (Tune itself would log it and go on).
    """

    def __init__(self, scheduler: TrialScheduler) -> None:
        """Ask this scheduler."""
        super().__init__()
        self._scheduler = scheduler
        self._pending: dict[str, PendingTrial] = {}
        self.error: Exception | None = None

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next configuration, None for not now, or FINISHED."""
        try:
            asked = NoTrial.DONE if self.error else self._scheduler.ask()
        except Exception as raised:
            self.error, asked = raised, NoTrial.DONE
        if asked is NoTrial.WAIT:
            return None
        if not isinstance(asked, PendingTrial):
            return str(Searcher.FINISHED)
        self._pending[trial_id] = asked
        return {"pending": PENDING.dump_json(asked).decode()}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell the scheduler what a worker answered."""
        if (pending := self._pending.pop(trial_id, None)) is None:
            return
        died = Failure("failed", "the worker process died (out of memory?)")
        try:
            self._scheduler.tell(pending, died if error or result is None else RESULT.validate_json(result["result"]))
        except Exception as raised:
            self.error = raised

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its searcher for checkpoints; the study's database must not go along.
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the study is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: the study is the state."""
