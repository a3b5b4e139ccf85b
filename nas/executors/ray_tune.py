"""Runs a campaign with Ray Tune: one core and one trial a worker.

Tune starts and reuses the workers and asks a `Searcher` for configurations; the searcher passes the questions on to the
campaign, so the stored Optuna study stays the only state. Tune's own result and checkpoint files go to a temporary
folder that is deleted at the end.
"""

import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nas.architecture import Architecture
from nas.campaign import Assignment, Campaign
from nas.errors import GhostnasError
from nas.evaluate import Evaluation, Evaluator, Task
from nas.paths import cache_subdir

OBJECT_STORE_BYTES = 80 * 2**20
# A Unix socket's path holds 107 bytes, and Ray appends about 70 of its own.
_LONGEST_RAY_FOLDER = 36


def run(campaign: Campaign, task: Task, evaluator: Evaluator, workers: int) -> None:
    """Evaluate trials in `workers` processes until the campaign ends.

    Args:
        campaign: What to try.
        task: How to evaluate; sent to every worker.
        evaluator: A function that workers can import.
        workers: Worker processes, one core each.

    Raises:
        GhostnasError: The campaign cannot go on (see `Campaign.fail`).
        KeyboardInterrupt: The user interrupted the search; the workers are stopped, running trials stay to be repeated.
    """
    with _ray(workers) as folder:
        from ray import tune

        searcher = _searcher(campaign)
        tuner = tune.Tuner(
            tune.with_resources(_trainable(task, evaluator), {"cpu": 1}),
            tune_config=tune.TuneConfig(search_alg=searcher, num_samples=-1, reuse_actors=True),
            run_config=tune.RunConfig(name="tune", storage_path=str(folder), verbose=0, log_to_file=False),
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
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    import ray

    scratch = Path(tempfile.mkdtemp(prefix="tune-", dir=cache_subdir("tune")))
    ray_folder = cache_subdir("ray")
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
                _temp_dir=str(ray_folder) if len(str(ray_folder)) <= _LONGEST_RAY_FOLDER else None,
            )
        yield scratch
    finally:
        ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(ray_folder, ignore_errors=True)


def _trainable(task: Task, evaluator: Evaluator) -> type:
    from ray import tune

    class Worker(tune.Trainable):  # type: ignore[misc]
        """Evaluates one architecture a trial; the process is reused for the next."""

        def setup(self, config: dict[str, Any]) -> None:
            self._config = config

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self._config = new_config
            return True

        def step(self) -> dict[str, Any]:
            try:
                architecture = Architecture.from_dict(json.loads(self._config["architecture"]))
                evaluation = evaluator(architecture, task, self._config["label"], self._config["baseline"])
            except Exception as error:
                return {"done": True, "failed": f"{type(error).__name__}: {error}"}
            return {"done": True, "evaluation": json.dumps(evaluation.to_dict())}

    return Worker


def _searcher(campaign: Campaign) -> Any:
    from ray.tune.search import Searcher

    class CampaignSearcher(Searcher):  # type: ignore[misc]
        """Passes Tune's questions on to the campaign."""

        def __init__(self) -> None:
            super().__init__()
            self._assigned: dict[str, Assignment] = {}
            self.error: GhostnasError | None = None

        def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
            assignment = None if self.error else campaign.next()
            if assignment == "wait":
                return None
            if not isinstance(assignment, Assignment):
                return str(Searcher.FINISHED)
            self._assigned[trial_id] = assignment
            return {
                "architecture": json.dumps(assignment.architecture.to_dict()),
                "label": assignment.label,
                "baseline": assignment.baseline,
            }

        def on_trial_complete(
            self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
        ) -> None:
            assignment = self._assigned.pop(trial_id)
            try:
                if error or result is None:
                    campaign.fail(assignment, "the worker process died (out of memory?)")
                elif "failed" in result:
                    campaign.fail(assignment, result["failed"])
                else:
                    campaign.finish(assignment, Evaluation.from_dict(json.loads(result["evaluation"])))
            except GhostnasError as raised:
                # Tune would log and go on; keep it, suggest nothing more, and raise it from run().
                self.error = raised

        def __getstate__(self) -> dict[str, Any]:
            # Tune pickles its searcher for checkpoints; the campaign's database must not go along.
            return {}

        def save(self, checkpoint_path: str) -> None:
            """Nothing to save: the study is the state."""

        def restore(self, checkpoint_path: str) -> None:
            """Nothing to restore: the study is the state."""

    return CampaignSearcher()
