"""A study copied from one storage to another, trial by trial, with the dashboard's notes."""

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.errors import StorageError, StudyError
from nas.study.optuna_compat import set_system_attribute, system_attributes, trial_id_of
from nas.study.outage import cause_of, one_line, retry_write
from nas.study.storage import BASELINES, PARTS, SEARCH, Part, StudyStorage, close_storage
from nas.study.store import opened_storage

if TYPE_CHECKING:
    import optuna
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial

_NOTE = re.compile(r"dashboard:(\d+):(.+)")
_OF_A_PROCESS = "ghostnas:"


@dataclass(frozen=True, slots=True)
class Copied:
    """How much was copied.

    Attributes:
        candidates: Trials of candidates.
        baselines: Trials of baselines.
    """

    candidates: int
    baselines: int


@dataclass(frozen=True, slots=True)
class _Content:
    """One of a study's two parts, as it was read.

    Attributes:
        directions: Whether each objective is maximized.
        trials: All trials.
        ids: Their ids by number.
        system: What Optuna and its dashboard keep with it.
        user: What ghostnas keeps with it.
    """

    directions: "Sequence[StudyDirection]"
    trials: "Sequence[FrozenTrial]"
    ids: dict[int, int]
    system: dict[str, Any]
    user: dict[str, Any]


def copy_study(source: StudyStorage, target: StudyStorage, switch: Callable[[], None] = lambda: None) -> Copied:
    """Copy a study; both sides are locked meanwhile, and the source stays as it is.

    Args:
        source: Where the study lies.
        target: Where the copy shall lie; it appears whole.
        switch: Called when the copy is there, both sides still locked; where it fails, the copy is removed.

    Raises:
        StudyError: There is no study to copy, one is at the target already, or either is in use or cannot be read.
        StorageError: The target cannot be written, or what `switch` raises.
    """
    if not source.exists():
        raise StudyError(f"there is no study {source.label} to copy")
    _check_free(target)
    with ExitStack() as held:
        for place in (source, target):
            held.enter_context(closing(place.lock()))
        _check_free(target)  # now that nobody else can make one
        source.check_intact()
        contents = _read(source)

        def fill(made: "optuna.storages.RDBStorage") -> None:
            copies = {part: _write(contents[part], made, target.study_name(part)) for part in PARTS}
            # Last: they say that a study is whole.
            copies[SEARCH].set_user_attr("settings", contents[SEARCH].user["settings"])

        retry_write(lambda: target.create(fill), target, retry_timeout_s=0)
        try:
            switch()
        except StorageError:
            with suppress(Exception):
                target.remove()
            raise
    return Copied(len(contents[SEARCH].trials), len(contents[BASELINES].trials))


def _check_free(target: StudyStorage) -> None:
    if target.exists():
        raise StudyError(f"there is a study {target.label} already, and none is overwritten; choose another --name")


def _read(source: StudyStorage) -> dict[Part, _Content]:
    """Both parts of a study.

    Raises:
        StudyError: They cannot be read.
    """
    import optuna

    storage, studies = opened_storage(source)
    try:
        return {part: _content(study) for part, study in studies.items()}
    except optuna.exceptions.StorageInternalError as error:
        raise StudyError(f"{source.label} cannot be read: {one_line(cause_of(error))}") from error
    finally:
        close_storage(storage)


def _content(study: "optuna.Study") -> _Content:
    trials = study.get_trials(deepcopy=False)
    ids = {trial.number: trial_id_of(study, trial.number) for trial in trials}
    return _Content(study.directions, trials, ids, system_attributes(study), study.user_attrs)


def _write(content: _Content, storage: "optuna.storages.RDBStorage", name: str) -> "optuna.Study":
    """A copy of one of a study's two parts, without its `settings`."""
    import optuna

    copy = optuna.create_study(study_name=name, storage=storage, directions=content.directions)
    copy.add_trials(content.trials)
    numbers = [trial.number for trial in content.trials]
    if [trial.number for trial in copy.get_trials(deepcopy=False)] != numbers:
        # Optuna itself tries again where an answer was lost.
        raise StorageError("a trial was stored twice, as the storage did not answer; run the same command again")
    ids = {content.ids[number]: trial_id_of(copy, number) for number in numbers}
    for key, value in content.system.items():
        if not key.startswith(_OF_A_PROCESS):
            set_system_attribute(copy, _with_new_id(key, ids), value)
    for key, value in content.user.items():
        if key != "settings":
            copy.set_user_attr(key, value)
    return copy


def _with_new_id(key: str, ids: dict[int, int]) -> str:
    """A system attribute's name; the dashboard's notes name a trial by its id, which is another one in the copy."""
    found = _NOTE.fullmatch(key)
    return f"dashboard:{ids[int(found[1])]}:{found[2]}" if found and int(found[1]) in ids else key
