"""Runs trials in this process, one at a time."""

from nas.search.evaluate import Evaluator, Task, TrainAgain, TrainPromoted, train_again, train_promoted
from nas.search.executors.run_trial import Trainers
from nas.search.pending_trial import PendingTrial
from nas.search.scheduler import TrialScheduler


def run(
    scheduler: TrialScheduler,
    task: Task,
    evaluator: Evaluator,
    again: TrainAgain = train_again,
    promoted: TrainPromoted = train_promoted,
) -> None:
    """Evaluate trials until the scheduler has none.

    Args:
        scheduler: What to try.
        task: How to evaluate.
        evaluator: `nas.search.evaluate.evaluate`, or a stand-in for tests.
        again: What trains a design with another seed.
        promoted: What trains a design at a rung.

    Raises:
        GhostnasError: The search cannot go on (`TrialScheduler.tell`).
    """
    trainers = Trainers(evaluator, again, promoted)
    while isinstance(pending := scheduler.ask(), PendingTrial):
        scheduler.tell(pending, trainers.attempt(pending, task))
