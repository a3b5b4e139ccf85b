"""Runs a campaign in this process, one trial at a time."""

from nas.campaign import Assignment, Campaign
from nas.errors import DataChanged, DeviceLost, StorageError, Unmeasurable
from nas.evaluate import Evaluator, Task, TrainAgain, train_again
from nas.proxy import Score


def run(campaign: Campaign, task: Task, evaluator: Evaluator, again: TrainAgain = train_again) -> None:
    """Evaluate trials until the campaign ends.

    Args:
        campaign: What to try.
        task: How to evaluate.
        evaluator: `nas.evaluate.evaluate`, or a stand-in for tests.
        again: What trains a design with another seed.

    Raises:
        GhostnasError: The campaign cannot go on (see `Campaign.fail`, `postpone`, `lose` and `halt`).
    """
    while isinstance(assignment := campaign.next(), Assignment):
        try:
            found = (
                again(assignment.architecture, task, assignment.repetition)
                if assignment.repetition
                else evaluator(assignment.architecture, task, assignment.label, assignment.baseline)
            )
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
            if isinstance(found, Score):
                campaign.repeated(assignment, found)
            else:
                campaign.finish(assignment, found)
