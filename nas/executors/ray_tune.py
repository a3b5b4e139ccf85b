"""Runs a campaign with Ray Tune: one core and one trial a worker.

Tune starts and reuses the workers and asks a `Searcher` for configurations; the searcher passes the questions on to the
campaign, so the stored Optuna study stays the only state. Tune's own result and checkpoint files go to a temporary
folder that is deleted at the end.
"""

import logging
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.campaign import Campaign
from nas.evaluate import Evaluator, Task, TrainAgain, train_again
from nas.executors.scratch import own_folder
from nas.paths import cache_subdir, lock_dir

OBJECT_STORE_BYTES = 80 * 2**20
# A Unix socket's path holds 107 bytes, and Ray appends about 67 of its own to a session's folder.
_LONGEST_RAY_HOME = 36


def run(campaign: Campaign, task: Task, evaluator: Evaluator, workers: int, again: TrainAgain = train_again) -> None:
    """Evaluate trials in `workers` processes until the campaign ends.

    Args:
        campaign: What to try.
        task: How to evaluate; sent to every worker.
        evaluator: A function that workers can import.
        workers: Worker processes, one core each.
        again: What trains a design with another seed; a function that workers can import.

    Raises:
        GhostnasError: The campaign cannot go on (see `Campaign.fail`, `postpone`, `lose` and `halt`).
        KeyboardInterrupt: The user interrupted the search; the workers are stopped, running trials stay to be repeated.
    """
    with _ray(workers) as folder:
        from ray import tune

        from nas.executors.ray_parts import CampaignSearcher, Worker

        searcher = CampaignSearcher(campaign)
        worker = tune.with_parameters(Worker, task=task, evaluator=evaluator, again=again)
        tuner = tune.Tuner(
            tune.with_resources(worker, {"cpu": 1}),
            tune_config=tune.TuneConfig(search_alg=searcher, num_samples=-1, reuse_actors=True),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(folder),
                verbose=0,
                log_to_file=False,
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            ),
        )
        tuner.fit()
        if searcher.error is not None:
            raise searcher.error


@contextmanager
def _ray(workers: int) -> Iterator[Path]:
    """A local Ray with one core a worker, offline and quiet; yields a scratch folder that is deleted afterwards."""
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
        # Without this, Tune swallows the first Ctrl-C and waits for the running trials.
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        # Workers stay in this process's folder, to which a data YAML's `path:` and the lines of a list may be relative.
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    import ray

    on_terminate = signal.getsignal(signal.SIGTERM)
    with own_folder(_sessions()) as session, own_folder(cache_subdir("tune")) as scratch:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ray.init(
                    num_cpus=workers,
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE_BYTES,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    configure_logging=True,
                    _temp_dir=str(session),
                )
            signal.signal(signal.SIGTERM, on_terminate)  # Ray's own prints a trace of its C++ and leaves its folders
            yield scratch
        finally:
            ray.shutdown()


def _sessions() -> Path:
    """Where Ray's sessions lie: in the cache folder, or in `/tmp` when its path is too long for Ray's sockets."""
    home = cache_subdir("ray")
    if len(str(home)) > _LONGEST_RAY_HOME:
        home = lock_dir() / "ray"
        home.mkdir(exist_ok=True)
    return home
