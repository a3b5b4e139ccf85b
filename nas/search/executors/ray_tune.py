"""Runs a scheduler with Ray Tune: one core and one trial a worker.

Tune starts and reuses the workers and asks a `Searcher` for configurations; the searcher passes the questions on to the
scheduler, so the stored Optuna study stays the only state. Tune's own result and checkpoint files go to a temporary
folder that is deleted at the end.
"""

import atexit
import logging
import os
import re
import secrets
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nas.errors import GhostnasError
from nas.search.evaluate import Evaluator, Task, TrainAgain, TrainPromoted, train_again, train_promoted
from nas.search.executors.run_trial import Trainers
from nas.search.executors.scratch import own_folder
from nas.search.executors.watchdog import Watchdog
from nas.search.scheduler import TrialScheduler
from nas.util.environment import module_path
from nas.util.paths import cache_dir, cache_subdir, lock_dir, writable_dir

OBJECT_STORE_BYTES = 80 * 2**20
_RAY_HOME = re.compile(r"[\w./-]{1,36}", re.ASCII)
"""A path that Ray can use: it goes into URIs, and into those of Unix sockets: 107 bytes, of which 67 are Ray's."""

_NEVER_S = "1e12"
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # By default `uv run` packs the current folder and sends it to the workers, without what git ignores.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    # Without this, Tune swallows the first Ctrl-C and waits for the running trials.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Its warning that nothing can be started reads the first trial, and fails while there is none.
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": _NEVER_S,
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S_AUTOSCALER": _NEVER_S,
    # The study is the state. Tune's own would grow with every trial, in memory too, and end a search where it cannot be
    # written.
    "TUNE_GLOBAL_CHECKPOINT_S": _NEVER_S,
}
"""Variables of a process that runs Tune."""

_VARIABLES = {
    **QUIET,
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AUTH_MODE": "token",
    # One machine, as Ray has it on macOS and Windows: every socket listens on the loopback address alone.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Workers go to this process's folder themselves.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "OMP_NUM_THREADS": "1",
}
_OTHERS = re.compile(r"RAY_(?!memory_)|TUNE_")
"""Variables of another Ray, such as RAY_ADDRESS, which this one is no part of; when its memory is full stays the
user's to say."""


def run(
    scheduler: TrialScheduler,
    task: Task,
    evaluator: Evaluator,
    workers: int,
    again: TrainAgain = train_again,
    promoted: TrainPromoted = train_promoted,
) -> None:
    """Evaluate trials in `workers` processes until the scheduler ends.

    Args:
        scheduler: What to try.
        task: How to evaluate; sent to every worker.
        evaluator: A function that workers can import.
        workers: Worker processes, one core each.
        again: What trains a design with another seed; a function that workers can import.
        promoted: What trains a design at a rung; a function that workers can import.

    Raises:
        GhostnasError: The search cannot go on (`TrialScheduler.tell`).
        KeyboardInterrupt: The user interrupted the search; the workers are stopped, running trials stay to be repeated.
    """
    with started(workers) as folder:
        from ray import tune

        from nas.search.executors.ray_parts import NodeWatch, SchedulerSearcher, Worker

        searcher = SchedulerSearcher(scheduler, workers, task.folder)
        trainers = Trainers(evaluator, again, promoted)
        # A path that travels to other processes is absolute, but those in data files may be relative to this folder.
        worker = tune.with_parameters(Worker, task=task, trainers=trainers, folder=os.getcwd())
        tune_until_done(worker, {"cpu": 1}, searcher, folder, task.folder, NodeWatch(searcher, task.folder))


def tune_until_done(
    worker: Any, resources: Any, searcher: Any, scratch: Path, folder: Path, watch: Any, callbacks: Sequence[Any] = ()
) -> None:
    """Run a tuner that asks a searcher until it has no more, keeps nothing, and uses its workers again; leave Ray.

    A watchdog ends this process where Ray never answers.

    Args:
        worker: A trainable class.
        resources: What Ray gives one trial.
        searcher: Passes the questions on to a scheduler.
        scratch: For Tune's own files, on this machine.
        folder: The results folder.
        watch: Ends it early.
        callbacks: Told what happens.

    Raises:
        GhostnasError: The search cannot go on, or Ray itself stopped.
    """
    from ray import tune

    from nas.search.executors.ray_parts import ForgetResults, count_as_lost_workers

    count_as_lost_workers()
    # It prints a trace of each lost worker, and all of them at the end; the searcher says each in a line.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    tuner = tune.Tuner(
        tune.with_resources(worker, resources),
        tune_config=tune.TuneConfig(search_alg=searcher, num_samples=-1, reuse_actors=True),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            verbose=0,
            log_to_file=False,
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            stop=watch,
            callbacks=[ForgetResults(), *callbacks],
        ),
    )
    try:
        with Watchdog(folder, lambda: watch.steps, lambda: searcher.working):
            try:
                tuner.fit()
            finally:
                _stop()
    except Exception as error:
        if searcher.error is None:
            raise GhostnasError(
                f"Ray, which runs the workers, stopped ({type(error).__name__}: {last_line(error)}); what is finished "
                "is kept, and the same command goes on"
            ) from error
    if searcher.error is not None:
        raise searcher.error


def last_line(error: BaseException) -> str:
    """What went wrong in another process or inside Ray: that stands in the last line of a trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def home() -> Path:
    """Where Ray's sessions lie: in the cache folder, or in the folder of locks when Ray cannot use its path.

    Raises:
        StorageError: It cannot be written.
    """
    usable = _RAY_HOME.fullmatch(str(cache_dir() / "ray"))
    return cache_subdir("ray") if usable else writable_dir(lock_dir() / "ray")


@contextmanager
def started(workers: int) -> Iterator[Path]:
    """A local Ray with one core a worker, offline and quiet; yields a scratch folder that is deleted afterwards."""
    on_terminate = signal.getsignal(signal.SIGTERM)
    with own_folder(home()) as session, worker_environment():
        try:
            _start(workers, session)
            signal.signal(signal.SIGTERM, on_terminate)  # Ray's own prints a trace of its C++ and leaves its folders
            yield session
        finally:
            _stop()


def _stop() -> None:
    """Stop Ray. It raises where it cannot delete its files; then its processes end with this one."""
    import ray

    try:
        ray.shutdown()
    except OSError:
        atexit.unregister(ray.shutdown)  # which would fail again, and print a trace


def _start(workers: int, session: Path) -> None:
    """Start Ray.

    Raises:
        GhostnasError: It does not start.
    """
    read_variables_again(several_machines=False)
    try:
        init_quietly(
            session,
            address="local",
            num_cpus=workers,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            _temp_dir=str(session),
        )
    except Exception as error:  # what is amiss may be anything: memory, network, the kernel
        raise GhostnasError(
            f"Ray, which runs the workers, does not start here ({in_one_line(error)}); "
            "what is finished is kept, and --workers 0 goes on with it without Ray"
        ) from error


def init_quietly(folder: Path, **how: Any) -> None:
    """Start or join Ray without its words, and without this process's: it may raise anything.

    Args:
        folder: To start it in.
        how: For `ray.init`.
    """
    import ray
    from ray._private import utils

    # It asks for the command line, to show it in its dashboard, and takes no bytes there that are no UTF-8.
    utils.get_entrypoint_name = lambda: "ghostnas"
    with warnings.catch_warnings(), inside(folder):
        warnings.simplefilter("ignore")
        ray.init(log_to_driver=False, logging_level=logging.ERROR, configure_logging=True, **how)


def in_one_line(error: BaseException) -> str:
    """An error of Ray's with its kind."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def read_variables_again(*, several_machines: bool) -> None:
    """Ray keeps what it read of its variables when it was imported, and of the token when it first ran.

    Args:
        several_machines: Whether this Ray may be one of several machines; otherwise its sockets are on loopback.
    """
    import ray
    from ray._private import ray_constants

    ray_constants.ENABLE_RAY_CLUSTER = several_machines
    raylet: Any = ray._raylet
    if hasattr(raylet, "AuthenticationTokenLoader"):  # not in a Ray from before there were tokens
        raylet.Config.initialize("")
        raylet.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def worker_environment() -> Iterator[None]:
    """The variables of this process as Ray and its workers need them, and then as they were."""
    before = dict(os.environ)
    for name in before:
        if _OTHERS.match(name):
            del os.environ[name]
    # A token of its own: Ray would keep one in the home folder.
    os.environ.update(_VARIABLES, RAY_AUTH_TOKEN=secrets.token_hex(32), PYTHONPATH=module_path())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Run in another folder: Ray looks for modules in the one it is started in, and cannot start in every one."""
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        yield
    finally:
        os.chdir(before)
        os.close(before)
