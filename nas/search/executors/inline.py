"""Runs trials in this process, one at a time."""

from nas.search.evaluate import Evaluator, Task, TrainAgain, TrainLast, train_again, train_last
from nas.search.executors.run_trial import Trainers
from nas.search.pending_trial import PendingTrial
from nas.search.scheduler import TrialScheduler


def run(
    scheduler: TrialScheduler,
    task: Task,
    evaluator: Evaluator,
    again: TrainAgain = train_again,
    last: TrainLast = train_last,
) -> None:
    """Evaluate trials until the scheduler has none.

    Args:
        scheduler: What to try.
        task: How to evaluate.
        evaluator: `nas.search.evaluate.evaluate`, or a stand-in for tests.
        again: What trains a design with another seed.
        last: What trains a design at the last rung.

    Raises:
        GhostnasError: The search cannot go on (`TrialScheduler.tell`).
    """
    trainers = Trainers(evaluator, again, last)
    while isinstance(pending := scheduler.ask(), PendingTrial):
        scheduler.tell(pending, trainers.attempt(pending, task))
