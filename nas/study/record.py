"""One stored trial."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

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

    @classmethod
    def from_trial(cls, trial: "optuna.trial.FrozenTrial", baseline: bool) -> Self:
        """Read a stored trial."""
        from optuna.trial import TrialState

        attributes = trial.user_attrs
        states: dict[TrialState, Status] = {
            TrialState.COMPLETE: attributes.get("status", "failed"),
            TrialState.FAIL: "interrupted" if attributes.get("reason") == INTERRUPTED else "failed",
        }
        stored = attributes.get("evaluation")
        status = states.get(trial.state, "running")
        return cls(
            number=trial.number,
            label=attributes.get("label", f"trial-{trial.number}"),
            baseline=baseline,
            status=status,
            key=attributes["architecture"],
            indices=dict(trial.params),
            origin=attributes["origin"],
            evaluation=Evaluation.from_dict(stored) if stored and status in ("trained", "rejected") else None,
            reason=attributes.get("reason"),
            retried=attributes.get("retry_of"),
        )


def evaluated(record: Record) -> tuple[Evaluation, Score]:
    """What is known of a trained design.

    Raises:
        ValueError: It was not trained.
    """
    if record.evaluation is None or record.evaluation.score is None:
        raise ValueError(f"{record.label} is {record.status}; only a trained design has an accuracy")
    return record.evaluation, record.evaluation.score
