"""Runs a campaign in this process, one job at a time."""

from nas.campaign import Campaign
from nas.errors import DeviceLost
from nas.evaluate import Task
from nas.jobs import Crew


def run(campaign: Campaign, task: Task, crew: Crew) -> None:
    """Do jobs until the campaign ends.

    Args:
        campaign: What to do.
        task: How to evaluate.
        crew: What does it.

    Raises:
        GhostnasError: The campaign cannot go on (see `Campaign.fail` and `Campaign.lose`).
    """
    while (job := campaign.next()) is not None and job != "wait":
        try:
            answer = crew.carry_out(job, task)
        except DeviceLost as error:
            campaign.lose(job, str(error))
        except Exception as error:
            # Whatever a candidate's build or training raises is that candidate's failure, stored with its reason.
            campaign.fail(job, f"{type(error).__name__}: {error}")
        else:
            campaign.done(job, answer)
