"""The rungs of a search: who is promoted to a longer training, and which of these trainings comes next.

To the first of several rungs candidates are promoted while the search proposes, to every other when all candidates are
trained and the rung below is finished. Promoted are the candidates that are most probably the best by all scores, and
the best baseline of each kind, which has to be beaten at every length. Once half of the candidates are trained, the
baselines go up their rungs by themselves, so that fewer trainings are left for the end, when workers are idle.

Before the last rung the latencies of its designs are measured in fresh processes, so that no long training is spent on
one that misses the target there. A design that fails gives its place to the next of its list. All decisions and scores
are kept with the study.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from nas.latency import Latency
from nas.search.effort import TOGETHER, Rung, granted
from nas.search.pending_trial import NoTrial, Promotion
from nas.search.progress import RungProgress
from nas.search.rung_state import Decision, RungState, is_spread, standing, trained_by_label
from nas.search.shortlists import Shortlist, shortlists
from nas.study import RungScore, StoredStudy, TrainedRecord, estimates, rung_scores, weights_name

Confirm = Callable[[Sequence[TrainedRecord]], Mapping[str, Latency]]
"""From designs to their latencies in fresh processes, by label; without those that the device did not give."""


class Promotions:
    """Which promoted design is trained next."""

    def __init__(
        self,
        study: StoredStudy,
        rungs: Sequence[Rung],
        budget: int,
        confirm: Confirm = lambda records: {},
    ) -> None:
        """Begin.

        Args:
            study: The stored study.
            rungs: The rungs above the proxies, the shortest first.
            budget: Candidates to train.
            confirm: Measures in fresh processes who may be promoted to the last rung.
        """
        self._study, self._rungs, self._budget = study, tuple(rungs), budget
        self._confirm = confirm
        self._running: set[tuple[int, str]] = set()
        # A failure is a design's own once another training has succeeded after it. Until then it may be the machine's
        # fault, such as of a full memory, and this process tries the design again.
        kept = RungState.of(study)
        own = {name: failure for name, failure in kept.failures.items() if failure["scores"] < kept.count}
        if own != kept.failures:
            study.keep("rung_failures", own)

    def next(self, parallel: int, *, ended: bool) -> tuple[TrainedRecord, Promotion] | NoTrial:
        """The next design, or why there is none now.

        Args:
            parallel: How many may be under way at once.
            ended: Whether every candidate is trained; until then only the first of several rungs is trained.

        Returns:
            The design and its training; `DONE` when every rung is finished.
        """
        for rung in self._rungs:
            trained = trained_by_label(self._study)
            if not self._due(rung, trained, ended):
                return NoTrial.WAIT
            kept = RungState.of(self._study)
            missing = kept.missing(rung)
            waiting = [label for label in missing if (rung.steps, label) not in self._running]
            if waiting:
                if len(self._running) >= parallel:
                    return NoTrial.WAIT
                self._running.add((rung.steps, waiting[0]))
                return trained[waiting[0]], Promotion(rung.steps, kept.lr(waiting[0]))
            if ended and any(steps == rung.steps for steps, _ in self._running):
                return NoTrial.WAIT
        return NoTrial.DONE if ended else NoTrial.WAIT

    def done(self, label: str, score: RungScore) -> None:
        """Keep what a training gave."""
        kept = self._study.attribute("rungs") or {}
        mine = {**kept.get(label, {}), str(score.steps): score.to_dict()}
        self._study.keep("rungs", {**kept, label: mine})
        self._study.annotate(trained_by_label(self._study)[label])
        self._running.discard((score.steps, label))

    def again(self, label: str, steps: int) -> None:
        """A training was broken off, by no fault of the design: it keeps its place and begins anew."""
        self._running.discard((steps, label))

    def fail(self, label: str, steps: int, reason: str) -> None:
        """Keep why a training gave nothing; the next of its list takes the place."""
        kept = RungState.of(self._study)
        failure = {"reason": reason, "scores": kept.count}
        self._study.keep("rung_failures", {**kept.failures, weights_name(label, steps): failure})
        self._running.discard((steps, label))

    @property
    def running(self) -> int:
        """Trainings under way."""
        return len(self._running)

    @property
    def progress(self) -> tuple[RungProgress, ...]:
        """How far each rung has come to which a design was promoted."""
        return tuple(
            RungProgress(one.steps, len(one.promoted) - len(one.missing), len(one.promoted), len(one.failed))
            for one in standing(self._study, self._rungs)
            if one.promoted
        )

    def _due(self, rung: Rung, trained: dict[str, TrainedRecord], ended: bool) -> bool:
        """Decide who is promoted, where that is due; whether anybody may be trained at the rung now."""
        state = RungState.of(self._study)
        kept = state.lists.get(rung.steps)
        if not is_spread(rung, self._rungs):
            early = kept is not None and kept.places == 0
            if ended and (kept is None or (kept.trained, kept.places) != (len(trained), rung.places)):
                self._decide(rung, trained, kept if early else None)
            elif not ended and kept is None and self._baselines_are_ready(rung, trained, state):
                self._decide(replace(rung, places=0), trained, None)
                early = True
            return ended or early
        candidates = sum(not record.baseline for record in trained.values())
        taken = sum(not trained[label].baseline for label in state.promoted(rung))
        places = granted(self._rungs, self._budget, candidates)
        if ended and (kept is None or kept.trained != len(trained)):
            # Whoever was trained since the last promotions competes for places too, also in a search that is extended.
            places = max(rung.places, taken + TOGETHER)
        if places > taken and (kept is None or kept.trained != len(trained)):
            self._decide(replace(rung, places=places), trained, kept)
        return ended or places > 0 or taken > 0

    def _baselines_are_ready(self, rung: Rung, trained: dict[str, TrainedRecord], state: RungState) -> bool:
        """Whether half of the candidates are trained, and of the rung below no baseline is left to train."""
        candidates = sum(not record.baseline for record in trained.values())
        below = [one for one in self._rungs if one.steps < rung.steps]
        left = [label for one in below[-1:] for label in state.missing(one) if trained[label].baseline]
        known = not below or below[-1].steps in state.lists
        return known and not left and 2 * candidates >= self._budget

    def _decide(self, rung: Rung, trained: dict[str, TrainedRecord], before: Decision | None) -> None:
        """Keep who competes for a rung; those that were promoted to it before keep their places."""
        study = self._study
        scores = rung_scores(study)
        below = [one.steps for one in self._rungs if one.steps < rung.steps]
        some = [one for one in trained.values() if not below or below[-1] in scores.get(one.label, {})]
        known = estimates(list(trained.values()), study.repeats(), scores)
        records, baselines = [one for one in some if not one.baseline], [one for one in some if one.baseline]
        lists = shortlists(records, baselines, known, study.limits.target_ms, rung.places)
        if before is not None:
            stay = [label for one in before.lists for label in one.taken(RungState.of(study).failed(rung))]
            lists = [one.first(stay) for one in lists]
        if not lists[0].labels:
            lists = []  # a baseline is trained longer only to be beaten
        elif rung.steps == self._rungs[-1].steps and rung.places:
            lists = self._confirmed(lists, trained)
            lists = lists if lists[0].labels else []
        decision = Decision(len(trained), rung.places, tuple(lists))
        study.keep("promotions", {**(study.attribute("promotions") or {}), str(rung.steps): decision.to_dict()})

    def _confirmed(self, lists: list[Shortlist], trained: dict[str, TrainedRecord]) -> list[Shortlist]:
        """The same once all that have a place are measured in fresh processes.

        Who misses the target there for certain is left out, who may miss it comes last.
        """
        study = self._study
        asked: set[str] = set()
        while True:
            fresh = {label: Latency.from_dict(one) for label, one in (study.attribute("confirmed") or {}).items()}
            sure = {label for label, latency in fresh.items() if latency.above(study.limits.target_ms)}
            may = {label for label, latency in fresh.items() if not latency.meets(study.limits.target_ms)}
            lists = [one.without(sure).last(may) for one in lists]
            wanted = [label for one in lists for label in one.taken(()) if label not in {*fresh, *asked}]
            if not wanted:
                return lists
            asked.update(wanted)
            found = {**fresh, **self._confirm([trained[label] for label in wanted])}
            study.keep("confirmed", {label: latency.to_dict() for label, latency in found.items()})
