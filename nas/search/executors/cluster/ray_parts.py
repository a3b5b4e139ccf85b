"""The ends that Ray Tune talks to: on this machine a searcher and a watch, on the nodes workers. Imports Ray."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from pydantic import TypeAdapter
from ray import tune
from ray.tune.search import Searcher

from nas.errors import GhostnasError, StorageError
from nas.search.evaluate import Task
from nas.search.executors.cluster.carried import NOTHING, CarriedFiles, Written, collect, data_paths, keep, task_on_node
from nas.search.executors.cluster.halves import Halves
from nas.search.executors.cluster.nodes import ClusterNode
from nas.search.executors.cluster.probe import enter
from nas.search.executors.cluster.screening import Screeners
from nas.search.executors.scratch import own_folder
from nas.search.pending_trial import PENDING, RESULT, Failure, NoTrial, PendingTrial, Result
from nas.search.scheduler import TrialScheduler
from nas.study import Evaluation
from nas.util.paths import cache_subdir
from nas.util.worker_messages import post

REPEATS = 2
"""How often a trial is begun again whose worker was lost."""

LOOK_EVERY_S = 3.0
"""How often Ray is asked which nodes live."""

WRITTEN = "written"
"""What a worker answers besides its result; taken out before Tune stores the answer."""

SCREENED: TypeAdapter[Evaluation | None] = TypeAdapter(Evaluation | None)

Asked = tuple[PendingTrial, Evaluation | None]
"""A trial, and what was measured of it; None of a design that was evaluated before."""


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
        context = ray.get_runtime_context()
        enter(folder)
        self._config, self._halves, self._task, self._files = config, halves, task, files
        self._data = data_paths(data, context.get_node_id())
        self._gpus = context.get_accelerator_ids().get("GPU", [])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next configuration."""
        self._config = new_config
        return True

    def step(self) -> dict[str, Any]:
        """Carry it out; a failure is an answer too."""
        pending = PENDING.validate_json(self._config["pending"])
        screened = SCREENED.validate_json(self._config["screened"])
        try:
            result, written = self._trained(pending, screened)
        except StorageError as error:  # of this node's cache folder
            result, written = Failure("not written", str(error)), NOTHING
        return {"done": True, "result": RESULT.dump_json(_placed(result)).decode(), WRITTEN: written}

    def _trained(self, pending: PendingTrial, screened: Evaluation | None) -> tuple[Result, Written]:
        task = task_on_node(self._task, self._data, self._files, self._gpus)
        with own_folder(cache_subdir("training")) as folder:
            return self._halves.trained(pending, screened, replace(task, folder=folder)), collect(folder)


def _placed(result: Result) -> Result:
    """A failure that is the machine's names the machine."""
    if not isinstance(result, Failure) or result.kind == "failed":
        return result
    return Failure(result.kind, f"on the node {ray.util.get_node_ip_address()}: {result.reason}")


class ClusterSearcher(Searcher):  # type: ignore[misc]
    """Passes Tune's questions on to the scheduler: a design that it asks for is screened first, then trained.

    Attributes:
        error: What ended the search, to be raised once Tune has returned (Tune itself would log it and go on).
    """

    def __init__(self, scheduler: TrialScheduler, screeners: Screeners, workers: int, folder: Path) -> None:
        """Ask this scheduler.

        Args:
            scheduler: What to try.
            screeners: Screen designs on this machine.
            workers: Trials that train at a time.
            folder: The results folder.
        """
        super().__init__()
        self._scheduler, self._screeners, self._workers, self._folder = scheduler, screeners, workers, folder
        self._ready: list[Asked] = []
        self._running: dict[str, Asked] = {}
        self._written: dict[str, Written] = {}
        self._lost: Counter[bytes] = Counter()
        self.error: Exception | None = None

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next configuration, None for not now, or FINISHED."""
        try:
            asked = NoTrial.DONE if self.error else self._next()
        except Exception as raised:
            self.error, asked = raised, NoTrial.DONE
        if asked is NoTrial.WAIT:
            return None
        if isinstance(asked, NoTrial):
            return str(Searcher.FINISHED)
        self._running[trial_id] = asked
        pending, screened = asked
        return {"pending": PENDING.dump_json(pending).decode(), "screened": SCREENED.dump_json(screened).decode()}

    def receive(self, trial_id: str, written: Written) -> None:
        """Take what a worker left, before its result."""
        self._written[trial_id] = written

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Keep what a worker left and tell the scheduler what it answered; begin a lost trial again."""
        if (asked := self._running.pop(trial_id, None)) is None:
            return
        written = self._written.pop(trial_id, NOTHING)
        try:
            if error or result is None:
                self._begin_again(asked)
                return
            keep(written, self._folder)
            for message in written.messages:
                post(self._folder, message)
            self._scheduler.tell(asked[0], RESULT.validate_json(result["result"]))
        except Exception as raised:
            self.error = raised

    def _next(self) -> Asked | NoTrial:
        self._take_screened()
        if len(self._running) >= self._workers:
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

    def _begin_again(self, asked: Asked) -> None:
        """A lost worker is an interruption, not the design's fault, as long as it does not repeat itself."""
        pending = asked[0]
        trial = PENDING.dump_json(pending)
        self._lost[trial] += 1
        if self._lost[trial] <= REPEATS:
            post(
                self._folder, f"{pending.label}: its worker is lost (the node died, or its memory is full); begun again"
            )
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


class NodeWatch(tune.Stopper):  # type: ignore[misc]
    """Ends a search that has no node left: Tune would wait for one without end."""

    def __init__(self, searcher: ClusterSearcher, nodes: Sequence[ClusterNode], folder: Path) -> None:
        """Watch these nodes.

        Args:
            searcher: Gets the error.
            nodes: The nodes that train.
            folder: The results folder.
        """
        self._searcher, self._folder = searcher, folder
        self._living = {node.id: node.host for node in nodes}
        self._hosts = ", ".join(node.host for node in nodes)
        self._looked = time.monotonic()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Never ends a single trial."""
        return False

    def stop_all(self) -> bool:
        """Whether no node is left; says once of each that is gone."""
        if time.monotonic() - self._looked >= LOOK_EVERY_S:
            self._looked = time.monotonic()
            alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
            for gone in self._living.keys() - alive:
                post(self._folder, f"the node {self._living.pop(gone)} of the cluster is gone")
        if not self._living and self._searcher.error is None:
            self._searcher.error = GhostnasError(
                f"every node of the cluster that trained is gone ({self._hosts}); what is finished is kept: start Ray "
                "on them again, and the same command goes on"
            )
        return not self._living

    def __getstate__(self) -> dict[str, Any]:
        return {}
