"""What is done with Optuna beyond its public interface."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna


def without_cache(study: "optuna.Study", storage: "optuna.storages.RDBStorage") -> "optuna.Study":
    """A study that keeps no copy of its trials in memory, as Optuna does: whoever reads them keeps records.

    Args:
        study: An opened study.
        storage: What it was opened in.
    """
    study._storage = storage
    return study


def trial_id_of(study: "optuna.Study", number: int) -> int:
    """The id of a trial in its storage.

    Args:
        study: A stored study.
        number: Number of the trial inside it.

    Raises:
        KeyError: There is no such trial.
    """
    return study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)


def has_trial(study: "optuna.Study", number: int) -> bool:
    """Whether a trial of that number is stored."""
    try:
        trial_id_of(study, number)
    except KeyError:
        return False
    return True


def mark_feasible(storage: "optuna.storages.RDBStorage", trial_id: int, violation: float) -> None:
    """Store what the dashboard and Optuna's samplers read as a trial's constraint.

    Args:
        storage: Where the trial is stored.
        trial_id: Its id there.
        violation: Above zero for an infeasible trial.
    """
    storage.set_trial_system_attr(trial_id, "constraints", [violation])


def system_attributes(study: "optuna.Study") -> dict[str, Any]:
    """What Optuna and its dashboard keep with a study."""
    return study._storage.get_study_system_attrs(study._study_id)


def set_system_attribute(study: "optuna.Study", name: str, value: Any) -> None:
    """Keep a JSON value where Optuna and its dashboard do."""
    study._storage.set_study_system_attr(study._study_id, name, value)
