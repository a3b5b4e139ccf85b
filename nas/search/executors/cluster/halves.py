"""An evaluation in two halves: this machine screens a design, a node trains what passes."""

from dataclasses import dataclass

from nas.search.evaluate import (
    Screen,
    Task,
    TrainAgain,
    TrainPromoted,
    TrainScreened,
    screen,
    train_again,
    train_promoted,
    train_screened,
)
from nas.search.executors.run_trial import Trainers
from nas.search.pending_trial import PendingTrial, Result
from nas.study import Evaluation


@dataclass(frozen=True, slots=True)
class Halves:
    """What screens and trains designs; functions that nodes can import.

    Attributes:
        screen: What measures a design.
        train: What trains one that was measured.
        again: What trains one with another seed.
        promoted: What trains one at a rung.
    """

    screen: Screen = screen
    train: TrainScreened = train_screened
    again: TrainAgain = train_again
    promoted: TrainPromoted = train_promoted

    def screened(self, pending: PendingTrial, task: Task) -> Result:
        """The first half; a failure is a result too.

        Args:
            pending: A design to evaluate.
            task: How designs are evaluated.
        """
        return Trainers(evaluate=lambda design, how, label, _: self.screen(design, how, label)).attempt(pending, task)

    def trained(self, pending: PendingTrial, screened: Evaluation | None, task: Task) -> Result:
        """The second half, or the training of a design that was evaluated before; a failure is a result too.

        Args:
            pending: The trial.
            screened: What was measured; None of a design that was evaluated before.
            task: How designs are evaluated.
        """

        def evaluate(_: object, how: Task, label: str, baseline: bool) -> Evaluation:
            if screened is None:
                raise TypeError(f"{label} was not screened")
            return self.train(screened, how, label, baseline)

        return Trainers(evaluate, self.again, self.promoted).attempt(pending, task)
