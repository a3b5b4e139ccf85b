"""The stored study: the only state of a search.

A file or a database (`location.py`) holds two Optuna studies: `search` (the candidates; one integer index a dimension
as parameters) and `baselines` (known designs, trained in the same way, outside the budget). Every finished trial is
stored before the next begins. A trial found running when a study is opened was orphaned by a kill: it becomes a failed
trial, and its point is tried again.

A write may be done again where its answer was lost (`outage.py`), so each can be done twice.
"""

import json
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from nas.errors import StorageError, StudyError
from nas.study.evaluation import Evaluation
from nas.study.location import check_still, forget, remember, storage_of
from nas.study.optuna_compat import has_trial, mark_feasible, trial_id_of, without_cache
from nas.study.outage import retry_write
from nas.study.postgres import PostgresDatabase
from nas.study.record import INTERRUPTED, Record, TrainedRecord, record_of, trained
from nas.study.settings import SearchSettings
from nas.study.storage import BASELINES, PARTS, SEARCH, Part, StudyStorage, close_storage
from nas.study.study_file import LOCK_FILE
from nas.study.unwritten import Unwritten, delete_unwritten, read_unwritten
from nas.util.paths import writable_dir

if TYPE_CHECKING:
    import optuna

T = TypeVar("T")

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
    "retrained",
    "rung_failures",
    "rungs",
    "source",
    "space",
]
"""What is kept with a study besides its trials: JSON values, each of whoever makes it."""


Annotate = Callable[["optuna.Study", Record, Mapping[str, Any]], None]


class StoredStudy:
    """A search's study in its storage, opened for writing by one process at a time."""

    def __init__(
        self,
        folder: Path,
        settings: SearchSettings,
        sizes: Mapping[str, int],
        annotate: Annotate | None = None,
        storage: StudyStorage | None = None,
        notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Open the study of a results folder, or create it.

        Args:
            folder: Results folder, created when missing.
            settings: What is asked; must equal what is stored.
            sizes: Number of choices of each dimension.
            annotate: Called with the study, each finished record and what is kept, to note it for the dashboard.
            storage: Where the study lies; None for where the folder has it.
            notice: Told when the storage does not answer, and when it answers again.

        Raises:
            StorageError: The folder or the storage cannot be written, or the folder's path is too long.
            StudyError: The study is in use, corrupt, or belongs to a search with other settings.
        """
        self._place = storage_of(folder) if storage is None else storage
        self.folder = writable_dir(folder)
        self._sizes = dict(sizes)
        self._unwritten: Unwritten | None = None
        self._waited = False
        self._annotate, self._notice = annotate, notice
        self.limits, self._asked_steps = settings.limits, settings.proxy.steps
        self._lock = self._place.lock()
        try:
            check_still(self.folder, self._place)
            self._place.check_intact()
            if not self._place.exists():
                place = self._place
                retry_write(lambda: place.create(lambda made: _fill(made, place, settings)), place, retry_timeout_s=0)
            self._storage, found = _open(self._place)
        except BaseException:
            self._lock.close()
            raise
        self._studies = found.studies
        self._attributes = found.attributes
        self._records = {SEARCH: found.candidates, BASELINES: found.baselines}
        try:
            _check_same(folder, found.settings, settings)
            if isinstance(self._place, PostgresDatabase):
                remember(folder, self._place)
            self._take_up_unwritten()
            retry_write(lambda: self._lock.set_writer(self._studies[SEARCH]), self._place, retry_timeout_s=0)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the study for other processes."""
        close_storage(self._storage)
        self._lock.close()

    def discard(self) -> None:
        """Remove a study in which no trial was begun, and its folder when nothing else is in it."""
        if any(self._records.values()):
            return
        self._stored(self._place.remove)
        forget(self.folder)
        if {path.name for path in self.folder.iterdir()} <= {LOCK_FILE}:
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
        self._attributes[name] = json.loads(json.dumps(value))  # as it is read again
        try:
            self._stored(lambda: self._studies[SEARCH].set_user_attr(name, value))
        except (StorageError, KeyboardInterrupt):
            if (unwritten := self._not_written()) is not None:
                unwritten.kept[name] = value
                unwritten.write(self.folder)
            raise
        if self._unwritten is not None and self._unwritten.kept.pop(name, None) is not None:
            self._unwritten.write(self.folder)  # the database answers again, and has a later value

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
        try:
            record = self._settled(name, number, self._writer_of(name, number, evaluation))
        except (StorageError, KeyboardInterrupt):
            if (unwritten := self._not_written()) is not None:
                unwritten.evaluations.setdefault(name, {})[number] = evaluation
                unwritten.write(self.folder)
            raise
        self.annotate(record)
        return record

    def _writer_of(self, name: Part, number: int, evaluation: Evaluation) -> Callable[[int], None]:
        """What writes the evaluation of a running trial, by its id."""

        def write(trial_id: int) -> None:
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

        return write

    def annotate(self, record: Record) -> None:
        """Note a finished record for the dashboard, as it stands now."""
        if (annotate := self._annotate) is not None:
            study = self._studies[BASELINES if record.baseline else SEARCH]
            self._stored(lambda: annotate(study, record, self._attributes))

    def fail(self, number: int, reason: str, baseline: bool = False) -> Record:
        """Store that a running trial failed, and why; returns it as a record."""
        from optuna.trial import TrialState

        name = BASELINES if baseline else SEARCH

        def write(trial_id: int) -> None:
            self._storage.set_trial_user_attr(trial_id, "reason", reason)
            self._studies[name].tell(number, state=TrialState.FAIL)

        return self._settled(name, number, write)

    def orphans(self) -> list[Record]:
        """Settle every running trial; returns the interrupted candidates that are still to be tried again.

        A trial whose evaluation is stored already was killed just before `tell`, which is made up for; the others
        fail by interruption.
        """
        for name in PARTS:
            for record in [one for one in self._records[name] if one.status == "running"]:
                self._settle_orphan(name, record.number)
        repeated = {record.retried for record in self._records[SEARCH]}
        return [r for r in self._records[SEARCH] if r.status == "interrupted" and r.number not in repeated]

    def _settle_orphan(self, name: Part, number: int) -> None:
        from optuna.trial import TrialState

        def write(trial_id: int) -> None:
            attributes = self._storage.get_trial(trial_id).user_attrs
            if "status" in attributes:
                self._tell(name, number, Evaluation.from_dict(attributes["evaluation"]))
            else:
                self._storage.set_trial_user_attr(trial_id, "reason", INTERRUPTED)
                self._studies[name].tell(number, state=TrialState.FAIL)

        self._settled(name, number, write)

    def _stored(self, write: Callable[[], T]) -> T:
        """What a write to the study returns, which may be done more than once; the lock is held meanwhile."""

        def locked() -> T:
            self._lock.check(self._studies[SEARCH])
            return write()

        try:
            return retry_write(locked, self._place, self._notice, retry_timeout_s=0 if self._waited else None)
        except (StorageError, KeyboardInterrupt):
            self._waited = True  # in vain; the trials that end after this one do not wait as long again
            raise

    def _not_written(self) -> Unwritten | None:
        """Where to put what could not be written; None where the results folder would be as full as the study's."""
        if self._unwritten is None and self._lock.writer_id is not None:
            self._unwritten = Unwritten(self._lock.writer_id)
        return self._unwritten

    def _take_up_unwritten(self) -> None:
        """Write what an earlier process could not, unless another one opened the study since."""
        if (unwritten := read_unwritten(self.folder)) is None:
            return
        search = self._studies[SEARCH]
        if self._stored(lambda: self._lock.last_writer(search)) == unwritten.writer:
            for name, evaluations in unwritten.evaluations.items():
                for number, found in evaluations.items():
                    stored = self._records[name][number : number + 1]
                    if [record.key for record in stored] == [found.architecture.key]:
                        self.annotate(self._settled(name, number, self._writer_of(name, number, found)))
                    else:
                        self._notice(f"{self._gone(number)}; its result in {self.folder} is dropped")
            for key, value in unwritten.kept.items():
                self._stored(partial(search.set_user_attr, key, value))
                self._attributes[key] = value
        else:
            self._notice(
                f"another process opened {self._place.label} since results were left in {self.folder}: they are "
                "dropped, and their trials repeated"
            )
        delete_unwritten(self.folder)

    def trial_id(self, name: Part, number: int) -> int:
        """The id in Optuna's storage of a trial of one of the two parts.

        Raises:
            KeyError: There is no such trial.
        """
        return trial_id_of(self._studies[name], number)

    def _gone(self, number: int) -> str:
        return f"trial {number} is not in {self._place.label} any more"

    def _settled(self, name: Part, number: int, write: Callable[[int], None]) -> Record:
        """A trial as it is stored after its end was written; every other one is known already."""

        def stored() -> Record:
            try:
                trial_id = self.trial_id(name, number)
                finished = self._storage.get_trial(trial_id).state.is_finished()
            except KeyError as error:  # as after a failover to a server that lagged behind
                raise StorageError(f"{self._gone(number)}; run the same command again, which goes on") from error
            if not finished:  # by an attempt whose answer was lost
                write(trial_id)
            return record_of(self._storage.get_trial(trial_id), baseline=name == BASELINES)

        record = self._records[name][number] = self._stored(stored)
        return record

    def _add(self, name: Part, attributes: dict[str, Any], params: dict[str, Any], distributions: Any) -> int:
        """Store a running trial. Optuna tries again where an answer was lost, and may store it more than once."""
        from optuna.trial import TrialState, create_trial

        trial = create_trial(
            state=TrialState.RUNNING, params=params, distributions=distributions, user_attrs=attributes
        )
        study, first, baseline = self._studies[name], len(self._records[name]), name == BASELINES

        def added() -> int:
            if not has_trial(study, first):
                study.add_trial(trial)
            last = first
            while has_trial(study, last + 1):
                last += 1
            return last

        last = self._stored(added)
        for number in range(first, last + 1):
            trial.number = number
            self._records[name].append(record_of(trial, baseline=baseline))
        for number in range(first, last):
            self.fail(number, "stored twice, as the storage did not answer", baseline)
        return last  # of a baseline's trials the last one counts

    def _tell(self, name: Part, number: int, evaluation: Evaluation) -> None:
        known = [record.score.map50_95 for record in trained(self._records[SEARCH])]
        self._studies[name].tell(number, [told_accuracy(evaluation, known), evaluation.latency.latency_ms])


def over_target(evaluation: Evaluation, target_ms: float) -> float:
    """By how much an evaluation misses the limits, in ms; above zero exactly where it breaks one."""
    over_ms = evaluation.latency.latency_ms - target_ms
    return max(over_ms, 1e-9) if evaluation.violations else min(over_ms, 0.0)


def told_accuracy(evaluation: Evaluation, known: Sequence[float]) -> float:
    """The accuracy that Optuna gets: of a rejected candidate the worst one seen (`map_imputed`, never reported)."""
    return min(known, default=0.0) if evaluation.score is None else evaluation.score.map50_95


def check_settings(folder: Path, storage: StudyStorage, settings: SearchSettings) -> None:
    """Refuse a stored study that a search with these settings could not go on with; nothing is written.

    Raises:
        StudyError: The study is in use, corrupt, or belongs to a search with other settings.
    """
    with closing(storage.lock()):
        storage.check_intact()
        opened, found = _open(storage)
        close_storage(opened)
    _check_same(folder, found.settings, settings)


def _check_same(folder: Path, stored: SearchSettings, asked: SearchSettings) -> None:
    if different := stored.differences(asked):
        raise StudyError(
            f"{folder} holds another search ({'; '.join(different)}); choose another --name, or ask for the same"
        )


def read_records(folder: Path) -> tuple[SearchSettings, list[Record], list[Record]]:
    """Read a study without locking it: settings, candidates, baselines.

    Raises:
        StudyError: There is no study, or it cannot be read.
    """
    place = storage_of(folder)
    if not place.exists():
        raise StudyError(f"{folder} holds no study ({place.label} is missing)")
    storage, found = _open(place)
    close_storage(storage)
    return found.settings, found.candidates, _last_of_each(found.baselines)


def read_kept(place: StudyStorage) -> dict[str, Any]:
    """Read the values that are kept with a study, without locking it; none where there is no study.

    Raises:
        StudyError: The study cannot be read.
    """
    if not place.exists():
        return {}
    place.check_intact()
    storage, found = _open(place)
    close_storage(storage)
    return found.attributes


def _fill(storage: "optuna.storages.RDBStorage", place: StudyStorage, settings: SearchSettings) -> None:
    """Write an empty study."""
    import optuna

    for part in PARTS:
        study = optuna.create_study(
            study_name=place.study_name(part), storage=storage, directions=["maximize", "minimize"]
        )
        with warnings.catch_warnings():
            # Naming the objectives is marked experimental; the dashboard shows the names.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(["mAP50-95", "latency_ms"])
        if part == SEARCH:
            search = study
    search.set_user_attr("settings", settings.to_dict())  # last: it says that the study is whole


@dataclass(frozen=True, slots=True)
class _Found:
    """What a study file holds."""

    studies: "dict[Part, optuna.Study]"
    attributes: dict[str, Any]
    settings: SearchSettings
    candidates: list[Record]
    baselines: list[Record]


def opened_storage(place: StudyStorage) -> "tuple[optuna.storages.RDBStorage, dict[Part, optuna.Study]]":
    """Open a study that can be read as one: its storage, which `close_storage` closes, and its two parts.

    Raises:
        StudyError: It is no study, or one of another version.
    """
    storage, found = _open(place)
    return storage, found.studies


def _open(place: StudyStorage) -> "tuple[optuna.storages.RDBStorage, _Found]":
    """Open a study and read all of it once, so that what cannot be read is an error before anything is done.

    Raises:
        StudyError: It is no study, or one of another version.
    """
    import optuna

    storage = None
    try:
        storage = place.open()
        names = {part: place.study_name(part) for part in PARTS}
        studies = {
            part: without_cache(optuna.load_study(study_name=name, storage=storage), storage)
            for part, name in names.items()
        }
        attributes = studies[SEARCH].user_attrs
        settings = SearchSettings.from_dict(attributes["settings"])
        records = {
            part: [record_of(trial, baseline=part == BASELINES) for trial in study.get_trials(deepcopy=False)]
            for part, study in studies.items()
        }
        return storage, _Found(studies, attributes, settings, records[SEARCH], records[BASELINES])
    except StudyError:
        raise
    except Exception as error:
        if storage is not None:
            close_storage(storage)
        says = (str(error) or type(error).__name__).splitlines()[0]
        why = "it holds no search" if isinstance(error, KeyError) else f"{says} (made by another version?)"
        raise StudyError(f"{place.label} cannot be read as a ghostnas study: {why}") from error


def _last_of_each(baselines: Sequence[Record]) -> list[Record]:
    """The last trial of every baseline, in the order of first training."""
    return list({record.label: record for record in baselines}.values())
