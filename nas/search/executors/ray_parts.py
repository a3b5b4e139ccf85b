"""The two ends that Ray Tune talks to: a searcher in this process and workers elsewhere. Imports Ray."""

import json
import os
from dataclasses import asdict
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from nas.errors import DataChanged, DeviceLost, StorageError, Unmeasurable
from nas.proxy import Score
from nas.search.evaluate import Task
from nas.search.executors.work import Trainers
from nas.search.pending_trial import Found, PendingTrial
from nas.search.scheduler import TrialScheduler
from nas.study import Evaluation, LastRung


class Worker(tune.Trainable):  # type: ignore[misc]
    """Carries out one assignment a trial; the process is reused for the next."""

    def setup(self, config: dict[str, Any], task: Task, trainers: Trainers, folder: str) -> None:
        """Go to the search's folder; take the first configuration and what stays the same for all."""
        os.chdir(folder)
        self._config, self._task, self._trainers = config, task, trainers

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next configuration."""
        self._config = new_config
        return True

    def step(self) -> dict[str, Any]:
        """Carry it out; a failure is an answer too, with its reason."""
        try:
            assignment = PendingTrial.from_dict(json.loads(self._config["assignment"]))
            return {"done": True, **_sent(self._trainers.carry_out(assignment, self._task))}
        except DeviceLost as error:
            return {"done": True, "lost": str(error)}
        except StorageError as error:
            return {"done": True, "unwritable": str(error)}
        except DataChanged as error:
            return {"done": True, "changed": str(error)}
        except Unmeasurable as error:
            return {"done": True, "postponed": str(error)}
        except Exception as error:
            return {"done": True, "failed": f"{type(error).__name__}: {error}"}


class SchedulerSearcher(Searcher):  # type: ignore[misc]
    """Passes Tune's questions on to the scheduler.

    Attributes:
        error: What ended the scheduler, to be raised once Tune has returned (Tune itself would log it and go on).
    """

    def __init__(self, scheduler: TrialScheduler) -> None:
        """Ask this scheduler."""
        super().__init__()
        self._scheduler = scheduler
        self._assigned: dict[str, PendingTrial] = {}
        self.error: Exception | None = None

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next configuration, None for not now, or FINISHED."""
        try:
            assignment = None if self.error else self._scheduler.next()
        except Exception as raised:
            self.error, assignment = raised, None
        if assignment == "wait":
            return None
        if not isinstance(assignment, PendingTrial):
            return str(Searcher.FINISHED)
        self._assigned[trial_id] = assignment
        return {"assignment": json.dumps(assignment.to_dict())}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Store what a worker answered."""
        if (assignment := self._assigned.pop(trial_id, None)) is None:
            return
        try:
            if error or result is None:
                self._scheduler.fail(assignment, "the worker process died (out of memory?)")
            elif "lost" in result:
                self._scheduler.lose(assignment, result["lost"])
            elif "unwritable" in result:
                self._scheduler.halt(assignment, StorageError(result["unwritable"]))
            elif "changed" in result:
                self._scheduler.halt(assignment, DataChanged(result["changed"]))
            elif "postponed" in result:
                self._scheduler.postpone(assignment, result["postponed"])
            elif "failed" in result:
                self._scheduler.fail(assignment, result["failed"])
            else:
                self._scheduler.finish(assignment, _received(result))
        except Exception as raised:
            self.error = raised

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its searcher for checkpoints; the scheduler's database must not go along.
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the study is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: the study is the state."""


def _sent(found: Found) -> dict[str, str]:
    """What came of an assignment, as a worker answers."""
    match found:
        case Evaluation():
            return {"evaluation": json.dumps(found.to_dict())}
        case Score():
            return {"score": json.dumps(asdict(found))}
        case LastRung():
            return {"last_rung": json.dumps(found.to_dict())}


def _received(result: dict[str, Any]) -> Found:
    """The inverse of `_sent`."""
    if "score" in result:
        return Score(**json.loads(result["score"]))
    if "last_rung" in result:
        return LastRung.from_dict(json.loads(result["last_rung"]))
    return Evaluation.from_dict(json.loads(result["evaluation"]))
