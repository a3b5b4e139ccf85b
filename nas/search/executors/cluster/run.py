"""Runs a scheduler on a Ray cluster: this machine screens and is the only writer, the nodes train."""

import os
from pathlib import Path

from nas.latency import LOCAL
from nas.search.evaluate import Task
from nas.search.executors.cluster.carried import read_files
from nas.search.executors.cluster.halves import Halves
from nas.search.executors.cluster.join import joined
from nas.search.executors.cluster.nodes import Allotment, check_enough
from nas.search.executors.cluster.screening import Screeners
from nas.search.executors.cluster.survey import Needs, survey
from nas.search.executors.ray_tune import tune_until_done
from nas.search.scheduler import TrialScheduler
from nas.util.worker_messages import post

_NODE_ID = "ray.io/node-id"


def run(scheduler: TrialScheduler, task: Task, address: str, workers: int, halves: Halves | None = None) -> None:
    """Evaluate trials on the nodes of a cluster until the scheduler ends.

    Args:
        scheduler: What to try.
        task: How to evaluate; sent to every worker.
        address: `auto` or `HOST:PORT` (`check_address`).
        workers: Trials that train at a time.
        halves: What screens and trains, if not the real ones.

    Raises:
        UsageError: No node can train.
        GhostnasError: The cluster cannot be joined, or the search cannot go on (`TrialScheduler.tell`).
        KeyboardInterrupt: The user interrupted the search; the workers are stopped, running trials stay to be repeated.
    """
    with joined(address) as scratch:
        allotment = survey(needs_of(task), lambda text: post(task.folder, text))
        check_enough(allotment, 0)
        for node in allotment.nodes:
            if node.why_not is not None:
                post(task.folder, f"the node {node.host} is not used: {node.why_not}")
        run_joined(scheduler, task, allotment, workers, scratch, halves)


def run_joined(
    scheduler: TrialScheduler,
    task: Task,
    allotment: Allotment,
    workers: int,
    scratch: Path,
    halves: Halves | None = None,
) -> None:
    """Evaluate trials on nodes of the cluster that this process has joined.

    Args:
        scheduler: What to try.
        task: How to evaluate.
        allotment: The nodes that train.
        workers: Trials that train at a time.
        scratch: For Tune's own files; nothing of it is shared with the nodes.
        halves: What screens and trains, if not the real ones.

    Raises:
        GhostnasError: The search cannot go on.
        KeyboardInterrupt: The user interrupted the search.
    """
    from ray import tune

    from nas.search.executors.cluster.ray_parts import ClusterSearcher, Mailbox, Worker
    from nas.search.executors.ray_parts import NodeWatch

    halves = halves or Halves()
    worker = tune.with_parameters(
        Worker,
        task=task,
        halves=halves,
        data={node.id: node.data for node in allotment.used},
        files=read_files(task),
        folder=os.getcwd(),
    )
    only = {_NODE_ID: f"in({','.join(node.id for node in allotment.used)})"}
    resources = tune.PlacementGroupFactory([allotment.resources], bundle_label_selector=[only])
    screeners = Screeners(task, halves, len(task.latency.places))
    try:
        searcher = ClusterSearcher(scheduler, screeners, workers, task.folder)
        watch = NodeWatch(searcher, task.folder, {node.id: node.host for node in allotment.used})
        tune_until_done(worker, resources, searcher, scratch, task.folder, watch, [Mailbox(searcher)])
    finally:
        screeners.stop()


def needs_of(task: Task) -> Needs:
    """What the trials of a task need of a node.

    Args:
        task: How designs are evaluated.
    """
    return Needs(
        device=task.proxy.device,
        precision=task.proxy.precision,
        measured_here=LOCAL in task.latency.places,
        data=task.data,
        fraction=task.fraction,
        digest=task.data_digest,
    )
