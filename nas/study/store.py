"""The stored study: the only state of a search.

One SQLite file `study.db` holds two Optuna studies: `search` (the candidates; one integer index a dimension as
parameters) and `baselines` (known designs, trained in the same way, outside the budget). Every finished trial is on
disk before the next begins. A trial found running when a study is opened was orphaned by a kill: it becomes a failed
trial, and its point is tried again.
"""

import json
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nas.errors import StudyError
from nas.study.evaluation import Evaluation
from nas.study.optuna_compat import mark_feasible, trial_id_of
from nas.study.record import INTERRUPTED, Record, TrainedRecord, record_of, trained
from nas.study.settings import SearchSettings
from nas.study.study_file import (
    DRAFT_FILE,
    LOCK_FILE,
    STUDY_FILE,
    check_intact,
    check_path,
    lock,
    open_storage,
    writing,
)
from nas.util.paths import writable_dir

if TYPE_CHECKING:
    import optuna

SEARCH, BASELINES = "search", "baselines"

Kept = Literal[
    "begun",
    "calibration",
    "concluded",
    "confirmed",
    "feasibility",
    "finals",
    "first_rung",
    "gain",
    "promotions",
    "repeats",
    "rung_failures",
    "rungs",
    "source",
    "space",
]
"""What is kept with a study besides its trials: JSON values, each of whoever makes it."""


Annotate = Callable[["optuna.Study", Record], None]


class StoredStudy:
    """A search's study on disk, opened for writing by one process at a time."""

    def __init__(
        self,
        folder: Path,
        settings: SearchSettings,
        sizes: Mapping[str, int],
        annotate: Annotate | None = None,
    ) -> None:
        """Open the study of a results folder, or create it.

        Args:
            folder: Results folder, created when missing.
            settings: What is asked; must equal what is stored.
            sizes: Number of choices of each dimension.
            annotate: Called with the study and each finished record, to note it for the dashboard.

        Raises:
            StorageError: The folder cannot be written, or its path is too long.
            StudyError: The study is in use, corrupt, or belongs to a search with other settings.
        """
        check_path(folder)
        self.folder = writable_dir(folder)
        self._sizes = dict(sizes)
        self._annotate = annotate
        self.limits, self._asked_steps = settings.limits, settings.proxy.steps
        self._lock = lock(folder)
        try:
            check_intact(folder / STUDY_FILE)
            if not (folder / STUDY_FILE).exists():
                with self._writing():
                    _create(folder / STUDY_FILE, settings)
            self._storage, found = _open(folder / STUDY_FILE)
        except BaseException:
            self._lock.close()
            raise
        self._studies = found.studies
        self._attributes: dict[str, Any] = found.studies[SEARCH].user_attrs
        self._records = {SEARCH: found.candidates, BASELINES: found.baselines}
        if different := found.settings.differences(settings):
            self.close()
            raise StudyError(
                f"{folder} holds another search ({'; '.join(different)}); choose another --name, or ask for the same"
            )

    def close(self) -> None:
        """Release the study for other processes."""
        _close(self._storage)
        self._lock.close()

    def discard(self) -> None:
        """Remove a study in which no trial was begun, and its folder when nothing else is in it."""
        if any(self._records.values()):
            return
        (self.folder / STUDY_FILE).unlink()
        if {path.name for path in self.folder.iterdir()} == {LOCK_FILE}:
            shutil.rmtree(self.folder)

    def records(self) -> list[Record]:
        """Every candidate, by trial number."""
        return list(self._records[SEARCH])

    def baselines(self) -> list[Record]:
        """The last trial of every baseline, in the order of first training."""
        return _last_of_each(self._records[BASELINES])

    def trained(self) -> list[TrainedRecord]:
        """The candidates that were trained, by trial number."""
        return trained(self.records())

    def trained_baselines(self) -> list[TrainedRecord]:
        """The baselines that were trained, in the order of first training."""
        return trained(self.baselines())

    def attribute(self, name: Kept) -> Any:
        """A value kept with the study, such as the feasibility check; None when there is none."""
        return self.attributes().get(name)

    def attributes(self) -> dict[str, Any]:
        """Every value that is kept with the study; as this process, its only writer, left them."""
        return dict(self._attributes)

    def keep(self, name: Kept, value: Any) -> None:
        """Keep a JSON value with the study."""
        with self._writing():
            self._studies[SEARCH].set_user_attr(name, value)
        self._attributes[name] = json.loads(json.dumps(value))  # as it is read again

    @property
    def proxy_steps(self) -> int:
        """Steps of a proxy: as asked for, or longer where those ranked nothing."""
        return int((self.attribute("first_rung") or {}).get("steps", self._asked_steps))

    def repeats(self) -> dict[str, dict[str, float]]:
        """Scores of other seeds, by label and number of the replicate."""
        return self.attribute("repeats") or {}

    def start(self, indices: Mapping[str, int], key: str, origin: str, retry_of: int | None = None) -> int:
        """Record that a candidate is being evaluated; returns its trial number."""
        from optuna.distributions import IntDistribution

        attributes: dict[str, Any] = {"architecture": key, "origin": origin}
        if retry_of is not None:
            attributes["retry_of"] = retry_of
        distributions = {name: IntDistribution(0, self._sizes[name] - 1) for name in indices}
        return self._add(SEARCH, attributes, dict(indices), distributions)

    def start_baseline(self, label: str, key: str) -> int:
        """Record that a baseline is being evaluated; returns its trial number."""
        return self._add(BASELINES, {"architecture": key, "origin": "baseline", "label": label}, {}, {})

    def finish(self, number: int, evaluation: Evaluation, baseline: bool = False) -> Record:
        """Store the evaluation of a running trial; returns it as a record."""
        name = BASELINES if baseline else SEARCH
        trial_id = self.trial_id(name, number)
        with self._writing():
            self._storage.set_trial_user_attr(trial_id, "evaluation", evaluation.to_dict())
            if evaluation.violations:
                texts = [one.text for one in evaluation.violations]
                self._storage.set_trial_user_attr(trial_id, "violations", texts)
            mark_feasible(self._storage, trial_id, over_target(evaluation, self.limits.target_ms))
            if evaluation.score is None:
                self._storage.set_trial_user_attr(trial_id, "map_imputed", True)
            # The status comes last: a trial that has one is complete, even when it is killed before `tell`.
            self._storage.set_trial_user_attr(trial_id, "status", evaluation.status)
            self._tell(name, number, evaluation)
        record = self._read_again(name, number)
        self.annotate(record)
        return record

    def annotate(self, record: Record) -> None:
        """Note a finished record for the dashboard, as it stands now."""
        if self._annotate is not None:
            with self._writing():
                self._annotate(self._studies[BASELINES if record.baseline else SEARCH], record)

    def fail(self, number: int, reason: str, baseline: bool = False) -> Record:
        """Store that a running trial failed, and why; returns it as a record."""
        from optuna.trial import TrialState

        name = BASELINES if baseline else SEARCH
        with self._writing():
            self._storage.set_trial_user_attr(self.trial_id(name, number), "reason", reason)
            self._studies[name].tell(number, state=TrialState.FAIL)
        return self._read_again(name, number)

    def orphans(self) -> list[Record]:
        """Settle every running trial; returns the interrupted candidates that are still to be tried again.

        A trial whose evaluation is stored already was killed just before `tell`, which is made up for; the others
        fail by interruption.
        """
        for name, records in self._records.items():
            for record in [one for one in records if one.status == "running"]:
                attributes = self._storage.get_trial(self.trial_id(name, record.number)).user_attrs
                if "status" in attributes:
                    with self._writing():
                        self._tell(name, record.number, Evaluation.from_dict(attributes["evaluation"]))
                    self._read_again(name, record.number)
                else:
                    self.fail(record.number, INTERRUPTED, baseline=name == BASELINES)
        repeated = {record.retried for record in self._records[SEARCH]}
        return [r for r in self._records[SEARCH] if r.status == "interrupted" and r.number not in repeated]

    def _writing(self) -> AbstractContextManager[None]:
        return writing(self.folder / STUDY_FILE)

    def trial_id(self, name: str, number: int) -> int:
        return trial_id_of(self._studies[name], number)

    def _read_again(self, name: str, number: int) -> Record:
        """A trial as it is stored now; every other one is known already."""
        record = record_of(self._storage.get_trial(self.trial_id(name, number)), baseline=name == BASELINES)
        self._records[name][number] = record
        return record

    def _add(self, name: str, attributes: dict[str, Any], params: dict[str, Any], distributions: Any) -> int:
        from optuna.trial import TrialState, create_trial

        trial = create_trial(
            state=TrialState.RUNNING, params=params, distributions=distributions, user_attrs=attributes
        )
        number = len(self._records[name])
        with self._writing():
            self._studies[name].add_trial(trial)
        trial.number = number
        self._records[name].append(record_of(trial, baseline=name == BASELINES))
        return number

    def _tell(self, name: str, number: int, evaluation: Evaluation) -> None:
        known = [record.score.map50_95 for record in trained(self._records[SEARCH])]
        self._studies[name].tell(number, [told_accuracy(evaluation, known), evaluation.latency.latency_ms])


def over_target(evaluation: Evaluation, target_ms: float) -> float:
    """By how much an evaluation misses the limits, in ms; above zero exactly where it breaks one."""
    over_ms = evaluation.latency.latency_ms - target_ms
    return max(over_ms, 1e-9) if evaluation.violations else min(over_ms, 0.0)


def told_accuracy(evaluation: Evaluation, known: Sequence[float]) -> float:
    """The accuracy that Optuna gets: of a rejected candidate the worst one seen (`map_imputed`, never reported)."""
    return min(known, default=0.0) if evaluation.score is None else evaluation.score.map50_95


def read_records(folder: Path) -> tuple[SearchSettings, list[Record], list[Record]]:
    """Read a study without locking it: settings, candidates, baselines.

    Raises:
        StudyError: There is no study, or it cannot be read.
    """
    path = folder / STUDY_FILE
    if not path.is_file():
        raise StudyError(f"{folder} holds no study ({STUDY_FILE} is missing)")
    storage, found = _open(path)
    _close(storage)
    return found.settings, found.candidates, _last_of_each(found.baselines)


def read_kept(folder: Path) -> dict[str, Any]:
    """Read the values that are kept with a study, without locking it; none where there is no study.

    Raises:
        StudyError: The study cannot be read.
    """
    path = folder / STUDY_FILE
    if not path.is_file():
        return {}
    check_intact(path)
    storage, found = _open(path)
    _close(storage)
    return dict(found.studies[SEARCH].user_attrs)


def _create(path: Path, settings: SearchSettings) -> None:
    """Write an empty study; the file appears whole, so that whoever reads it never sees half of one."""
    import optuna

    draft = path.with_name(DRAFT_FILE)
    draft.unlink(missing_ok=True)
    storage = open_storage(draft)
    for name in (SEARCH, BASELINES):
        study = optuna.create_study(study_name=name, storage=storage, directions=["maximize", "minimize"])
        with warnings.catch_warnings():
            # Naming the objectives is marked experimental; the dashboard shows the names.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(["mAP50-95", "latency_ms"])
        if name == SEARCH:
            study.set_user_attr("settings", settings.to_dict())
    _close(storage)
    draft.replace(path)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a study file holds."""

    studies: "dict[str, optuna.Study]"
    settings: SearchSettings
    candidates: list[Record]
    baselines: list[Record]


def _open(path: Path) -> "tuple[optuna.storages.RDBStorage, _Found]":
    """Open a study file and read all of it once, so that what cannot be read is an error before anything is done.

    Raises:
        StudyError: It is no study, or one of another version.
    """
    import optuna

    storage = None
    try:
        storage = open_storage(path)
        studies = {name: optuna.load_study(study_name=name, storage=storage) for name in (SEARCH, BASELINES)}
        settings = SearchSettings.from_dict(studies[SEARCH].user_attrs["settings"])
        records = {
            name: [record_of(trial, baseline=name == BASELINES) for trial in study.get_trials(deepcopy=False)]
            for name, study in studies.items()
        }
        return storage, _Found(studies, settings, records[SEARCH], records[BASELINES])
    except Exception as error:
        if storage is not None:
            _close(storage)
        says = (str(error) or type(error).__name__).splitlines()[0]
        why = "it holds no search" if isinstance(error, KeyError) else f"{says} (made by another version?)"
        raise StudyError(f"{path} cannot be read as a ghostnas study: {why}") from error


def _close(storage: "optuna.storages.RDBStorage") -> None:
    storage.remove_session()
    storage.engine.dispose()


def _last_of_each(baselines: Sequence[Record]) -> list[Record]:
    """The last trial of every baseline, in the order of first training."""
    return list({record.label: record for record in baselines}.values())
