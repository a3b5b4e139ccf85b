"""An assignment carried out, in whatever process."""

from dataclasses import dataclass

from nas.search.evaluate import Evaluator, Task, TrainAgain, TrainLast, evaluate, train_again, train_last
from nas.search.pending_trial import Found, PendingTrial, Promotion, Replicate


@dataclass(frozen=True, slots=True)
class Trainers:
    """What evaluates and trains designs; functions that workers can import.

    Attributes:
        evaluate: What evaluates a design.
        again: What trains one with another seed.
        last: What trains one at the last rung.
    """

    evaluate: Evaluator = evaluate
    again: TrainAgain = train_again
    last: TrainLast = train_last

    def carry_out(self, assignment: PendingTrial, task: Task) -> Found:
        """Do what is assigned.

        Raises:
            Exception: What the design's build, measurement or training raises.
        """
        match assignment.more:
            case None:
                return self.evaluate(assignment.architecture, task, assignment.label, assignment.baseline)
            case Replicate(number):
                return self.again(assignment.architecture, task, number)
            case Promotion():
                return self.last(assignment.architecture, task, assignment.label, assignment.baseline)
