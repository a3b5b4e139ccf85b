"""Every trained design of a search for the page: in words, its numbers, its YAML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nas.architecture import to_yaml
from nas.latency import Latency
from nas.results.html.design_words import design_words
from nas.study import Estimates, Finalist, Outcome, RungScore, TrainedRecord, trained


@dataclass(frozen=True, slots=True)
class DesignEntry:
    """A trained design.

    Attributes:
        anchor: Its id in the page.
        label: `trial-7`, or a baseline's name.
        role: `best`, `baseline`, `front` or `other`.
        words: The design in words.
        latency: Its latency, in fresh processes or screened.
        accuracies: Its accuracy at each length of training, and on val where it is a finalist.
        x: Latency in ms.
        x_low: Lower end of its interval.
        x_high: Upper end of its interval.
        y: Accuracy by which designs are compared.
        yaml: Its YAML, or where it lies.
        has_yaml: Which of the two.
    """

    anchor: str
    label: str
    role: str
    words: str
    latency: Latency
    accuracies: tuple[tuple[str, str], ...]
    x: float
    x_low: float
    x_high: float
    y: float
    yaml: str
    has_yaml: bool

    @property
    def latency_words(self) -> str:
        """Its latency with the interval, and what kind it is."""
        kind = "in fresh processes" if self.latency.level == "finalist" else "screening"
        return f"{self.x:.2f} ms (95% {self.x_low:.2f} to {self.x_high:.2f}), {kind}"

    @property
    def tip(self) -> str:
        """All of it but the YAML, a line a part."""
        numbers = [f"{name}: {value}" for name, value in self.accuracies]
        kind = "" if self.role == "other" else f" ({self.role})"
        return "\n".join([f"{self.label}{kind}", self.words, f"latency: {self.latency_words}", *numbers])


def design_list(outcome: Outcome, known: Estimates, most: int, yamls: int) -> tuple[DesignEntry, ...]:
    """Every trained design: the best, the baselines, the front, then the others, each from the most accurate down.

    Args:
        outcome: The search.
        known: What all scores say.
        most: Designs that are listed; the others stand in `trials.csv`.
        yamls: Designs whose YAML is given; of others it says where it lies.
    """
    finalists = {one.record.label: one for one in outcome.finalists}
    front = {one.record.label for one in outcome.front}
    best = None if outcome.best is None else outcome.best.record.label

    def role(record: TrainedRecord) -> str:
        if record.label == best:
            return "best"
        return "baseline" if record.baseline else "front" if record.label in front else "other"

    every = trained([*outcome.baseline_records, *outcome.records])
    rank = {name: place for place, name in enumerate(("best", "baseline", "front", "other"))}
    ordered = sorted(every, key=lambda one: (rank[role(one)], -known.accuracy(one.label)))[:most]
    return tuple(
        _entry(place, one, role(one), finalists.get(one.label), outcome, known, has_yaml=place < yamls)
        for place, one in enumerate(ordered)
    )


def _entry(
    place: int,
    record: TrainedRecord,
    role: str,
    finalist: Finalist | None,
    outcome: Outcome,
    known: Estimates,
    *,
    has_yaml: bool,
) -> DesignEntry:
    design = record.evaluation.architecture
    latency = record.evaluation.latency if finalist is None else finalist.final.latency
    return DesignEntry(
        anchor=f"design-{place}",
        label=record.label,
        role=role,
        words=design_words(design),
        latency=latency,
        accuracies=tuple(_accuracies(record.label, finalist, outcome, known)),
        x=latency.latency_ms,
        x_low=latency.low_ms,
        x_high=latency.high_ms,
        y=known.accuracy(record.label),
        yaml=to_yaml(design, outcome.settings.data.classes) if has_yaml else f"models/{record.label}.yaml",
        has_yaml=has_yaml,
    )


def _accuracies(label: str, finalist: Finalist | None, outcome: Outcome, known: Estimates) -> Sequence[tuple[str, str]]:
    estimate = known.interval(label)
    rows = [(f"mAP50-95 after {outcome.proxy_steps:,} steps", ", ".join(f"{one:.3f}" for one in known.scores[label]))]
    rows += _rungs(outcome.rungs.get(label, {}))
    if estimate is not None:
        rows.append(("estimate", f"{estimate.mean:.3f} (95% {estimate.low:.3f} to {estimate.high:.3f})"))
    if finalist is not None:
        rows.append(("mAP50-95 on val", f"{finalist.final.val.map50_95:.3f}"))
    return rows


def _rungs(scores: Mapping[int, RungScore]) -> list[tuple[str, str]]:
    return [(f"mAP50-95 after {steps:,} steps", f"{one.score.map50_95:.3f}") for steps, one in sorted(scores.items())]
