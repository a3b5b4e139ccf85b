"""The two ends that Ray Tune talks to: a searcher in this process and workers elsewhere. Imports Ray."""

import base64
import pickle
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from nas.campaign import Campaign
from nas.errors import DeviceLost, GhostnasError
from nas.evaluate import Task
from nas.jobs import Crew, Job


class Worker(tune.Trainable):  # type: ignore[misc]
    """Does one job a trial; the process is reused for the next."""

    def setup(self, config: dict[str, Any], task: Task, crew: Crew) -> None:
        """Take the first configuration and what stays the same for all."""
        self._config, self._task, self._crew = config, task, crew

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next configuration."""
        self._config = new_config
        return True

    def step(self) -> dict[str, Any]:
        """Do the job; a failure is an answer too, with its reason."""
        try:
            answer = self._crew.carry_out(_unpacked(self._config["job"]), self._task)
        except DeviceLost as error:
            return {"done": True, "lost": str(error)}
        except Exception as error:
            return {"done": True, "failed": f"{type(error).__name__}: {error}"}
        return {"done": True, "answer": _packed(answer)}


class CampaignSearcher(Searcher):  # type: ignore[misc]
    """Passes Tune's questions on to the campaign.

    Attributes:
        error: What ended the campaign, to be raised once Tune has returned.
    """

    def __init__(self, campaign: Campaign) -> None:
        """Ask this campaign."""
        super().__init__()
        self._campaign = campaign
        self._assigned: dict[str, Job] = {}
        self.error: GhostnasError | None = None

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next configuration, None for not now, or FINISHED."""
        job = None if self.error else self._campaign.next()
        if job == "wait":
            return None
        if job is None:
            return str(Searcher.FINISHED)
        self._assigned[trial_id] = job
        return {"job": _packed(job)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Store what a worker answered."""
        job = self._assigned.pop(trial_id)
        try:
            if error or result is None:
                self._campaign.fail(job, "the worker process died (out of memory?)")
            elif "lost" in result:
                self._campaign.lose(job, result["lost"])
            elif "failed" in result:
                self._campaign.fail(job, result["failed"])
            else:
                self._campaign.done(job, _unpacked(result["answer"]))
        except GhostnasError as raised:
            # Tune would log it and go on; keep it, suggest nothing more, and let run() raise it.
            self.error = raised

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its searcher for checkpoints; the campaign's database must not go along.
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the study is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: the study is the state."""


def _packed(value: Any) -> str:
    """A value of ours as text, which Tune carries without a look into it; only these processes read it."""
    return base64.b64encode(pickle.dumps(value)).decode("ascii")


def _unpacked(text: str) -> Any:
    return pickle.loads(base64.b64decode(text))
