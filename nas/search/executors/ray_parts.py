"""The ends that Ray Tune talks to: a searcher and a watch in this process, workers elsewhere. Imports Ray."""

import math
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from pydantic import TypeAdapter
from ray import tune
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from nas.errors import GhostnasError
from nas.search.evaluate import Task
from nas.search.executors.run_trial import Trainers
from nas.search.pending_trial import PENDING, RESULT, Failure, NoTrial, PendingTrial, Result
from nas.search.scheduler import TrialScheduler
from nas.study import Evaluation
from nas.util.worker_messages import post

REPEATS = 2
"""How often a trial is begun again whose worker was lost."""

LOOK_EVERY_S = 3.0
"""How often Ray is asked which nodes live."""

SCREENED: TypeAdapter[Evaluation | None] = TypeAdapter(Evaluation | None)

Asked = tuple[PendingTrial, Evaluation | None]
"""A trial, and what was measured of it before it is trained; None where the worker measures it, or no one need."""


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
        result = self._trainers.attempt(pending, self._task)
        end_if_unusable(result)
        return {"done": True, "result": RESULT.dump_json(result).decode()}


def end_if_unusable(result: Result) -> None:
    """End this worker where no later trial could succeed in it: the trial is begun again in another."""
    if isinstance(result, Failure) and result.kind == "process unusable":
        print(result.reason, file=sys.stderr, flush=True)  # into the log of the worker
        os._exit(1)  # CUDA's own way to the end may hang


def count_as_lost_workers() -> None:
    """Let Tune take whatever ends a worker for its death.

    It raises some of it out of `fit` instead: a kill by Ray's memory monitor, also of a worker that is about to start,
    and an answer that was lost with its node.
    """
    from ray.air.execution._internal import RayActorManager
    from ray.tune.execution import tune_controller

    class ActorManager(RayActorManager):  # type: ignore[misc]
        def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
            if not isinstance(exception, RayTaskError | RayActorError):
                exception = RayActorError(error_msg=str(exception))
            super()._actor_task_failed(tracked_actor_task, exception)

    tune_controller.RayActorManager = ActorManager
    Trial._get_default_result_or_future = _default_result


_default_result_or_raise = Trial._get_default_result_or_future


def _default_result(trial: Trial) -> dict[str, Any] | None:
    """What a worker says of itself as it starts; None where it did not live so long."""
    try:
        found: dict[str, Any] | None = _default_result_or_raise(trial)
    except RayError:
        found = trial._default_result_or_future = None
    return found


class SchedulerSearcher(Searcher):  # type: ignore[misc]
    """Passes Tune's questions on to the scheduler, and begins a trial again whose worker was lost.

    Attributes:
        error: What ended the search first, to be raised once Tune has returned (Tune itself would log it and go on).
        working: Whether Tune waits for the scheduler now, and not for Ray.
    """

    def __init__(self, scheduler: TrialScheduler, workers: int, folder: Path) -> None:
        """Ask this scheduler.

        Args:
            scheduler: What to try.
            workers: Trials that Ray runs at a time.
            folder: The results folder.
        """
        super().__init__()
        self._scheduler, self._workers, self._folder = scheduler, workers, folder
        self._at_most = math.inf  # Tune asks for one more than run, so that no worker waits for its next
        self._ready: list[Asked] = []
        self._running: dict[str, Asked] = {}
        self._lost: Counter[bytes] = Counter()
        self.error: Exception | None = None
        self.working = False

    def next_trial(self) -> Asked | NoTrial:
        """A trial whose worker was lost, or the scheduler's next one; or why there is none now."""
        if self.full:
            return NoTrial.WAIT
        if self._ready:
            return self._ready.pop(0)
        asked = self._scheduler.ask()
        return asked if isinstance(asked, NoTrial) else (asked, None)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next configuration, None for not now, or FINISHED."""
        try:
            with self._at_work():
                asked = NoTrial.DONE if self.error else self.next_trial()
        except Exception as raised:
            self._end(raised)
            asked = NoTrial.DONE
        if asked is NoTrial.WAIT:
            return None
        if isinstance(asked, NoTrial):
            return str(Searcher.FINISHED)
        self._running[trial_id] = asked
        pending, screened = asked
        return {"pending": PENDING.dump_json(pending).decode(), "screened": SCREENED.dump_json(screened).decode()}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell the scheduler what a worker answered; begin a lost trial again."""
        if (asked := self._running.pop(trial_id, None)) is None:
            return
        try:
            with self._at_work():
                if error or result is None:
                    self._begin_again(asked)
                else:
                    self.answered(trial_id, asked[0], result)
        except Exception as raised:
            self._end(raised)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        self.working = True
        try:
            yield
        finally:
            self.working = False

    def answered(self, trial_id: str, pending: PendingTrial, result: Mapping[str, Any]) -> None:
        """Tell the scheduler what a worker answered."""
        found = RESULT.validate_json(result["result"])
        if isinstance(found, Failure) and found.kind == "no memory":
            self._let_fewer_run()
        self._scheduler.tell(pending, found)

    @property
    def full(self) -> bool:
        """Whether as many trials are begun as may be."""
        return len(self._running) >= self._at_most

    def _let_fewer_run(self) -> None:
        """After a training for which the others left too little memory."""
        if self._workers > 1:
            self._workers -= 1
            self._at_most = self._workers
            post(self._folder, f"memory is full: from now on --workers {self._workers}")

    def _end(self, raised: Exception) -> None:
        """Begin no further trial; only the first error is kept, the others follow from it."""
        if self.error is None and self._running:
            post(self._folder, f"the search ends ({raised}); the running trainings are finished first")
        self.error = self.error or raised

    def _begin_again(self, asked: Asked) -> None:
        """A lost worker is an interruption, not the design's fault, as long as it does not repeat itself."""
        pending = asked[0]
        trial = PENDING.dump_json(pending)
        self._lost[trial] += 1
        if self._lost[trial] <= REPEATS:
            why = "out of memory, a fault of its GPU, or its node died"
            post(self._folder, f"{pending.label}: its worker is lost ({why}); begun again")
            self._ready.insert(0, asked)
            return
        times = self._lost[trial]
        self._scheduler.tell(pending, Failure("failed", f"its worker was lost {times} times (out of memory?)"))

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its searcher for checkpoints; the study's database must not go along.
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the study is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: the study is the state."""


class ForgetResults(tune.Callback):  # type: ignore[misc]
    """Lets go of what Tune would keep of a finished trial: its answer, and statistics of it that nobody reads."""

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Free it, once the searcher has been told."""
        trial.metric_analysis.clear()
        trial.metric_n_steps.clear()
        for name in ("result", "config"):
            trial.last_result.pop(name, None)


class NodeWatch(tune.Stopper):  # type: ignore[misc]
    """Ends a search without a node that trains, or without this process's own: Tune would wait without end.

    Attributes:
        steps: How often Tune has asked, which it does in each step of its loop.
    """

    def __init__(self, searcher: SchedulerSearcher, folder: Path, nodes: Mapping[str, str] | None = None) -> None:
        """Watch nodes.

        Args:
            searcher: Gets the error.
            folder: The results folder.
            nodes: Hosts of the nodes that train, by Ray's name of the node; None where only this one does.
        """
        self._searcher, self._folder = searcher, folder
        own = ray.get_runtime_context().get_node_id()
        self._raylet = next(node["RayletSocketName"] for node in ray.nodes() if node["NodeID"] == own)
        self._living = dict(nodes or {own: "localhost"})
        self._hosts = ", ".join(self._living.values())
        self._looked, self._over = time.monotonic(), False
        self.steps = 0

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Never ends a single trial."""
        return False

    def stop_all(self) -> bool:
        """Whether the search cannot go on; says once of each node that is gone."""
        self.steps += 1
        if time.monotonic() - self._looked >= LOOK_EVERY_S and not self._over:
            self._looked = time.monotonic()
            self._over = self._look()
        return self._over

    def _look(self) -> bool:
        if not _listens(self._raylet):
            why = "Ray has stopped on this machine; what is finished is kept"
        else:
            alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
            for gone in self._living.keys() - alive:
                post(self._folder, f"the node {self._living.pop(gone)} of the cluster is gone")
            if self._living:
                return False
            why = (
                f"every node of the cluster that trained is gone ({self._hosts}); what is finished is kept: start Ray "
                "on them again"
            )
        self._searcher.error = self._searcher.error or GhostnasError(f"{why}, and the same command goes on")
        return True

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _listens(name: str) -> bool:
    """Whether a process listens on a Unix socket: Ray itself is told of the death of its own node late."""
    with socket.socket(socket.AF_UNIX) as asked:
        return asked.connect_ex(name) == 0
