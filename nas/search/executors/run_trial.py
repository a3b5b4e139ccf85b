"""A pending trial carried out, in whatever process; a failure is a result too."""

from dataclasses import dataclass, replace

from nas.errors import DataError, DeviceLost, OutOfMemory, StorageError, Unmeasurable
from nas.search.evaluate import Evaluator, Task, TrainAgain, TrainPromoted, evaluate, train_again, train_promoted
from nas.search.pending_trial import Failure, FailureKind, PendingTrial, Promotion, Replicate, Result

_KINDS: tuple[tuple[type[Exception], FailureKind], ...] = (
    (DeviceLost, "device lost"),
    (StorageError, "not written"),
    (DataError, "data changed"),
    (Unmeasurable, "disturbed"),
    (OutOfMemory, "no memory"),
)

_BROKEN = "CUDA error"
"""How torch begins to say that a GPU met a fault after which CUDA does nothing more in this process."""


@dataclass(frozen=True, slots=True)
class Trainers:
    """What evaluates and trains designs; functions that workers can import.

    Attributes:
        evaluate: What evaluates a design.
        again: What trains one with another seed.
        promoted: What trains one at a rung.
    """

    evaluate: Evaluator = evaluate
    again: TrainAgain = train_again
    promoted: TrainPromoted = train_promoted

    def attempt(self, pending: PendingTrial, task: Task) -> Result:
        """Carry a trial out.

        Args:
            pending: The trial.
            task: How designs are evaluated.
        """
        try:
            return self._carried_out(pending, task)
        except Exception as error:
            kind = next((kind for cls, kind in _KINDS if isinstance(error, cls)), None)
            if kind is not None:
                return Failure(kind, str(error))
            if isinstance(error, RuntimeError) and str(error).startswith(_BROKEN):
                return Failure("process unusable", " ".join(str(error).partition("\n")[0].split()))
            # Whatever a design's build or training raises is that design's failure, stored with its reason.
            return Failure("failed", f"{type(error).__name__}: {error}")

    def _carried_out(self, pending: PendingTrial, task: Task) -> Result:
        match pending.more:
            case None:
                if pending.steps is not None:
                    task = replace(task, proxy=task.proxy.with_steps(pending.steps))
                return self.evaluate(pending.architecture, task, pending.label, pending.baseline)
            case Replicate(number):
                return self.again(pending.architecture, task, number)
            case Promotion() as promotion:
                return self.promoted(pending.architecture, task, pending.label, promotion, pending.baseline)
