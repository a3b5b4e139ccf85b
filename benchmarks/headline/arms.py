"""The arms of the comparison, and the pairs that a verdict is given of."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

_SOURCE, _STEPS = "{source}", "{steps}"


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to a detector.

    Attributes:
        name: What tables and files call it.
        number: Its number in the comparison.
        title: What it is, in words.
        pretrained: Whether its designs begin with the checkpoint's channels.
        finals: Final trainings; an arm of several searches has at least one of each winner.
        options: What `ghostnas search` is called with besides what all searches have; None where ghostnas does not
            search.
    """

    name: str
    number: str
    title: str
    pretrained: bool
    finals: int
    options: tuple[str, ...] | None = None

    def search_options(self, source: Path, steps: int) -> list[str]:
        """The options of its searches.

        Args:
            source: The checkpoint.
            steps: Steps for which it is tuned on the data.
        """
        given = {_SOURCE: str(source), _STEPS: str(steps)}
        return [given.get(option, option) for option in self.options or ()]


FROM = Arm("from", "1", "search from the checkpoint", True, 6, ("--from", _SOURCE, "--source-steps", _STEPS))
SCRATCH = Arm("scratch", "2", "search from scratch", False, 6, ("--from", "scratch"))
RANDOM = Arm("random", "3", "random search", False, 2, ("--from", "scratch", "--sampler", "random"))
HAND = Arm("hand", "4", "hand scaling, pretrained", True, 6)
HAND_SCRATCH = Arm("hand-scratch", "4s", "hand scaling, from scratch", False, 6)
SCRIPT = Arm("script", "5", "Optuna and YOLO.train", True, 2)
GHOST = Arm("ghostnetv2", "6", "plain GhostNetV2 corner", False, 2)

ARMS = (FROM, SCRATCH, RANDOM, HAND, HAND_SCRATCH, SCRIPT, GHOST)
SEARCHED = tuple(arm for arm in ARMS if arm.options is not None)
PAIRS = tuple(combinations(ARMS, 2))


def by_name(name: str) -> Arm:
    """The arm of a name."""
    return next(arm for arm in ARMS if arm.name == name)


def spread(finals: int, searches: Sequence[int]) -> list[int]:
    """The search whose winner each final training is of: the searches in turn, each at least once.

    Args:
        finals: Final trainings of the arm.
        searches: Seeds of its searches; of an arm without searches one number.
    """
    return [searches[number % len(searches)] for number in range(max(finals, len(searches)))]
