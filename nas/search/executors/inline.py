"""Runs a campaign in this process, one trial at a time."""

from nas.errors import DataChanged, DeviceLost, StorageError, Unmeasurable
from nas.search.evaluate import Evaluator, Task, TrainAgain, TrainLast, train_again, train_last
from nas.search.executors.work import Trainers
from nas.search.pending_trial import Assignment
from nas.search.scheduler import Campaign


def run(
    campaign: Campaign,
    task: Task,
    evaluator: Evaluator,
    again: TrainAgain = train_again,
    last: TrainLast = train_last,
) -> None:
    """Evaluate trials until the campaign ends.

    Args:
        campaign: What to try.
        task: How to evaluate.
        evaluator: `nas.search.evaluate.evaluate`, or a stand-in for tests.
        again: What trains a design with another seed.
        last: What trains a design at the last rung.

    Raises:
        GhostnasError: The campaign cannot go on (see `Campaign.fail`, `postpone`, `lose` and `halt`).
    """
    trainers = Trainers(evaluator, again, last)
    while isinstance(assignment := campaign.next(), Assignment):
        try:
            found = trainers.carry_out(assignment, task)
        except DeviceLost as error:
            campaign.lose(assignment, str(error))
        except (StorageError, DataChanged) as error:
            campaign.halt(assignment, error)
        except Unmeasurable as error:
            campaign.postpone(assignment, str(error))
        except Exception as error:
            # Whatever a candidate's build or training raises is that candidate's failure, stored with its reason.
            campaign.fail(assignment, f"{type(error).__name__}: {error}")
        else:
            campaign.finish(assignment, found)
