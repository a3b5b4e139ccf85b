"""The ends that Ray Tune talks to: a searcher on this machine, workers on the nodes. Imports Ray."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import tune

from nas.errors import StorageError
from nas.search.evaluate import Task
from nas.search.executors.cluster.carried import NOTHING, CarriedFiles, Written, collect, data_paths, keep, task_on_node
from nas.search.executors.cluster.halves import Halves
from nas.search.executors.cluster.probe import enter
from nas.search.executors.cluster.screening import Screeners
from nas.search.executors.ray_parts import SCREENED, Asked, SchedulerSearcher, end_if_unusable
from nas.search.executors.scratch import own_folder
from nas.search.pending_trial import PENDING, RESULT, Failure, NoTrial, PendingTrial, Result
from nas.search.scheduler import TrialScheduler
from nas.study import Evaluation
from nas.util.paths import cache_subdir
from nas.util.worker_messages import post

WRITTEN = "written"
"""What a worker answers besides its result; taken out before Tune stores the answer."""


class Worker(tune.Trainable):  # type: ignore[misc]
    """Trains one design a configuration, on any node; the process is reused for the next."""

    def setup(
        self,
        config: dict[str, Any],
        task: Task,
        halves: Halves,
        data: Mapping[str, str | None],
        files: CarriedFiles,
        folder: str,
    ) -> None:
        """Take what stays the same for all trials.

        Args:
            config: The first configuration.
            task: How designs are evaluated.
            halves: What trains.
            data: The data YAML by node.
            files: The files that trials read.
            folder: The driver's current folder, from which paths in the data YAML may start.
        """
        self._config, self._task, self._halves = config, task, halves
        self._data, self._files, self._folder = data, files, folder

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next configuration."""
        self._config = new_config
        return True

    def step(self) -> dict[str, Any]:
        """Carry it out; a failure is an answer too."""
        try:
            result, written = self._trained()
        except (StorageError, OSError) as error:  # of this node's cache folder
            result, written = Failure("not written", str(error)), NOTHING
        except Exception as error:  # Tune would say no more than that the worker died
            result, written = Failure("failed", f"{type(error).__name__}: {error}"), NOTHING
        end_if_unusable(result)
        if isinstance(result, Failure):
            result = Failure(result.kind, f"on the node {ray.util.get_node_ip_address()}: {result.reason}")
        return {"done": True, "result": RESULT.dump_json(result).decode(), WRITTEN: written}

    def _trained(self) -> tuple[Result, Written]:
        context = ray.get_runtime_context()
        enter(self._folder)
        data = data_paths(self._data, context.get_node_id())
        task = task_on_node(self._task, data, self._files, context.get_accelerator_ids().get("GPU", []))
        pending = PENDING.validate_json(self._config["pending"])
        screened = SCREENED.validate_json(self._config["screened"])
        with own_folder(cache_subdir("training")) as folder:
            return self._halves.trained(pending, screened, replace(task, folder=folder)), collect(folder)


class ClusterSearcher(SchedulerSearcher):
    """Passes Tune's questions on to the scheduler: a design that it asks for is screened first, then trained."""

    def __init__(self, scheduler: TrialScheduler, screeners: Screeners, workers: int, folder: Path) -> None:
        """Ask this scheduler.

        Args:
            scheduler: What to try.
            screeners: Screen designs on this machine.
            workers: Trials that train at a time.
            folder: The results folder.
        """
        super().__init__(scheduler, workers, folder)
        self._screeners, self._at_most = screeners, workers
        self._written: dict[str, Written] = {}

    def receive(self, trial_id: str, written: Written) -> None:
        """Take what a worker left, before its result."""
        self._written[trial_id] = written

    def answered(self, trial_id: str, pending: PendingTrial, result: Mapping[str, Any]) -> None:
        """Keep what a worker left and tell the scheduler what it answered."""
        written = self._written.pop(trial_id, NOTHING)
        keep(written, self._folder)
        for message in written.messages:
            post(self._folder, message)
        super().answered(trial_id, pending, result)

    def next_trial(self) -> Asked | NoTrial:
        """A design that was screened or whose worker was lost, or one that was evaluated before."""
        self._take_screened()
        if self.full:
            return NoTrial.WAIT
        if self._ready:
            return self._ready.pop(0)
        if self._screeners.busy:
            return NoTrial.WAIT
        asked = self._scheduler.ask()
        if isinstance(asked, NoTrial):
            return asked
        if asked.more is not None:
            return asked, None
        self._screeners.begin(asked)
        return NoTrial.WAIT

    def _take_screened(self) -> None:
        for pending, result in self._screeners.finished():
            if isinstance(result, Evaluation) and (pending.baseline or not result.violations):
                self._ready.append((pending, result))
            else:
                self._scheduler.tell(pending, result)


class Mailbox(tune.Callback):  # type: ignore[misc]
    """Takes the files out of a worker's answer: Tune would keep them in memory and in its own checkpoints."""

    def __init__(self, searcher: ClusterSearcher) -> None:
        """Hand them to this searcher."""
        self._searcher = searcher

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Tune lets callbacks change the answer in place, before it keeps it and tells the searcher."""
        if (written := result.pop(WRITTEN, None)) is not None:
            self._searcher.receive(trial.trial_id, written)

    def __getstate__(self) -> dict[str, Any]:
        return {}
