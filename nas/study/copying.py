"""A study copied from one storage to another, trial by trial, with the dashboard's notes."""

import re
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.errors import StudyError
from nas.study.optuna_compat import set_system_attribute, system_attributes, trial_id_of
from nas.study.outage import carried_out
from nas.study.storage import BASELINES, PARTS, SEARCH, StudyStorage, close_storage
from nas.study.store import opened_storage

if TYPE_CHECKING:
    import optuna

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


def copy_study(source: StudyStorage, target: StudyStorage) -> Copied:
    """Copy a study; both sides are locked meanwhile, and the source stays as it is.

    Args:
        source: Where the study lies.
        target: Where the copy shall lie; it appears whole.

    Raises:
        StudyError: There is no study to copy, one is at the target already, or either is in use or cannot be read.
        StorageError: The target cannot be written.
    """
    if not source.exists():
        raise StudyError(f"there is no study {source.label} to copy")
    _check_free(target)
    with ExitStack() as held:
        for place in (source, target):
            held.enter_context(closing(place.lock()))
        _check_free(target)  # now that nobody else can make one
        source.check_intact()
        storage, studies = opened_storage(source)
        held.callback(close_storage, storage)

        def fill(made: "optuna.storages.RDBStorage") -> None:
            copies = {part: _copy(studies[part], made, target.study_name(part)) for part in PARTS}
            # Last: they say that a study is whole.
            copies[SEARCH].set_user_attr("settings", studies[SEARCH].user_attrs["settings"])

        carried_out(lambda: target.create(fill), target, patience_s=0)
        counts = {part: len(studies[part].get_trials(deepcopy=False)) for part in PARTS}
    return Copied(counts[SEARCH], counts[BASELINES])


def _check_free(target: StudyStorage) -> None:
    if target.exists():
        raise StudyError(f"there is a study {target.label} already, and none is overwritten; choose another --name")


def _copy(study: "optuna.Study", storage: "optuna.storages.RDBStorage", name: str) -> "optuna.Study":
    """A copy of one of a study's two parts, without its `settings`."""
    import optuna

    copy = optuna.create_study(study_name=name, storage=storage, directions=study.directions)
    trials = study.get_trials(deepcopy=False)
    copy.add_trials(trials)
    ids = {trial_id_of(study, trial.number): trial_id_of(copy, trial.number) for trial in trials}
    for key, value in system_attributes(study).items():
        if not key.startswith(_OF_A_PROCESS):
            set_system_attribute(copy, _with_new_id(key, ids), value)
    values: dict[str, Any] = study.user_attrs
    for key, value in values.items():
        if key != "settings":
            copy.set_user_attr(key, value)
    return copy


def _with_new_id(key: str, ids: dict[int, int]) -> str:
    """A system attribute's name; the dashboard's notes name a trial by its id, which is another one in the copy."""
    found = _NOTE.fullmatch(key)
    return f"dashboard:{ids[int(found[1])]}:{found[2]}" if found and int(found[1]) in ids else key
