"""One stored trial."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

from nas.proxy import Score
from nas.study.evaluation import Evaluation

if TYPE_CHECKING:
    import optuna


INTERRUPTED = "interrupted"


Status = Literal["trained", "rejected", "failed", "interrupted", "running"]


@dataclass(frozen=True, slots=True)
class Record:
    """One trial as it is stored.

    Attributes:
        number: Trial number inside its study.
        label: `trial-7`, or a baseline's name.
        baseline: Whether it belongs to the baselines.
        status: `trained`, `rejected` by the gate, `failed`, `interrupted` (and then tried again), or `running`.
        key: Canonical key of its architecture.
        indices: Its point of the space; empty for a baseline.
        origin: Where the proposal came from.
        evaluation: What was measured; None while running or when failed.
        reason: Why it failed.
        retried: Number of the interrupted trial that it repeats.

    A trained one is a `TrainedRecord`.
    """

    number: int
    label: str
    baseline: bool
    status: Status
    key: str
    indices: Mapping[str, int]
    origin: str
    evaluation: Evaluation | None
    reason: str | None
    retried: int | None


@dataclass(frozen=True, slots=True)
class TrainedRecord(Record):
    """A trial that was trained: it has an evaluation and a score.

    Attributes:
        evaluation: What was measured.
        score: Its score on the selection part.
    """

    evaluation: Evaluation
    score: Score


def as_trained(record: Record) -> TrainedRecord:
    """A trained record by its own type.

    Raises:
        ValueError: It was not trained.
    """
    evaluation = record.evaluation
    if record.status != "trained" or evaluation is None or evaluation.score is None:
        raise ValueError(f"{record.label} is {record.status}; only a trained design has an accuracy")
    values = {field.name: getattr(record, field.name) for field in fields(Record)}
    return TrainedRecord(**{**values, "evaluation": evaluation, "score": evaluation.score})


def trained(records: Iterable[Record]) -> list[TrainedRecord]:
    """Those of some records that were trained."""
    return [record for record in records if isinstance(record, TrainedRecord)]


def record_of(trial: "optuna.trial.FrozenTrial", baseline: bool) -> Record:
    """Read a stored trial.

    Args:
        trial: As Optuna stores it.
        baseline: Whether it belongs to the baselines.
    """
    from optuna.trial import TrialState

    attributes = trial.user_attrs
    states: dict[TrialState, Status] = {
        TrialState.COMPLETE: attributes.get("status", "failed"),
        TrialState.FAIL: "interrupted" if attributes.get("reason") == INTERRUPTED else "failed",
    }
    stored = attributes.get("evaluation")
    status = states.get(trial.state, "running")
    evaluation = Evaluation.from_dict(stored) if stored and status in ("trained", "rejected") else None
    record = Record(
        number=trial.number,
        label=attributes.get("label", f"trial-{trial.number}"),
        baseline=baseline,
        status=status,
        key=attributes["architecture"],
        indices=dict(trial.params),
        origin=attributes["origin"],
        evaluation=evaluation,
        reason=attributes.get("reason"),
        retried=attributes.get("retry_of"),
    )
    return as_trained(record) if status == "trained" else record
