"""Whether proxies are long enough to rank anything, asked of the baselines before the first candidate is trained."""

from collections.abc import Sequence
from typing import Any

from nas.search.effort import Rung
from nas.study import StoredStudy

NO_SIGNAL = 0.04
"""Where no baseline reaches this mAP50-95, differences between designs are noise."""
LONGER = 3
"""By so much proxies are lengthened at once."""


class FirstRung:
    """The length of a search's proxies, the first of its rungs; without further rungs it stays what was asked for."""

    def __init__(self, study: StoredStudy, rungs: Sequence[Rung]) -> None:
        """Begin.

        Args:
            study: The stored study, in which the length is kept.
            rungs: The rungs above the proxies; proxies stay shorter than the first.
        """
        self._study, self._limit = study, rungs[0].steps if rungs else 0

    @property
    def longer(self) -> int | None:
        """The next length; None where there is none below the next rung, or a candidate was begun already."""
        steps = LONGER * self._study.proxy_steps
        return steps if steps < self._limit and not self._study.records() else None

    def trained(self) -> set[str]:
        """The baselines that have a score of the current length."""
        since = self._kept.get("since", 0)
        return {record.label for record in self._study.trained_baselines() if record.number >= since}

    def lengthened(self) -> str | None:
        """Lengthen the proxies where the baselines' scores say nothing; all baselines have ended.

        Returns:
            Why, for the user; None where the length stays. Otherwise every baseline is to be trained again.
        """
        steps, longer, done = self._study.proxy_steps, self.longer, self.trained()
        trained = [one for one in self._study.trained_baselines() if one.label in done]
        # A large one that misses the limits learns sooner than the candidates will.
        like_candidates = [one for one in trained if not one.evaluation.violations] or trained
        scores = [one.score.map50_95 for one in like_candidates]
        if longer is None or not scores or max(scores) >= NO_SIGNAL:
            return None
        since = 1 + max(record.number for record in self._study.baselines())
        why = f"after {steps} steps no baseline has more than {max(scores):.3f} mAP50-95, which ranks nothing"
        self._study.keep("first_rung", {"steps": longer, "since": since, "why": [*self._kept.get("why", []), why]})
        self._study.keep("finals", {})  # of weights that are written anew
        return f"{why}: proxies train for {longer} steps"

    @property
    def _kept(self) -> dict[str, Any]:
        return self._study.attribute("first_rung") or {}
