"""Runs a scheduler in this process, one trial at a time."""

from nas.errors import DataChanged, DeviceLost, StorageError, Unmeasurable
from nas.search.evaluate import Evaluator, Task, TrainAgain, TrainLast, train_again, train_last
from nas.search.executors.work import Trainers
from nas.search.pending_trial import PendingTrial
from nas.search.scheduler import TrialScheduler


def run(
    scheduler: TrialScheduler,
    task: Task,
    evaluator: Evaluator,
    again: TrainAgain = train_again,
    last: TrainLast = train_last,
) -> None:
    """Evaluate trials until the scheduler ends.

    Args:
        scheduler: What to try.
        task: How to evaluate.
        evaluator: `nas.search.evaluate.evaluate`, or a stand-in for tests.
        again: What trains a design with another seed.
        last: What trains a design at the last rung.

    Raises:
        GhostnasError: The scheduler cannot go on (see `TrialScheduler.fail`, `postpone`, `lose` and `halt`).
    """
    trainers = Trainers(evaluator, again, last)
    while isinstance(assignment := scheduler.next(), PendingTrial):
        try:
            found = trainers.carry_out(assignment, task)
        except DeviceLost as error:
            scheduler.lose(assignment, str(error))
        except (StorageError, DataChanged) as error:
            scheduler.halt(assignment, error)
        except Unmeasurable as error:
            scheduler.postpone(assignment, str(error))
        except Exception as error:
            # Whatever a candidate's build or training raises is that candidate's failure, stored with its reason.
            scheduler.fail(assignment, f"{type(error).__name__}: {error}")
        else:
            scheduler.finish(assignment, found)
