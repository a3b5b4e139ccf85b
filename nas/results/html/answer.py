"""The answer of a search: the winner, its latency against the target, its accuracy against the best baseline."""

from dataclasses import dataclass

from nas.results.html.axis import Axis, axis
from nas.results.html.design_words import design_words
from nas.results.rung_sentences import interval_sentence, is_claimed
from nas.study import Finalist, Gain, Outcome, compared_pair


@dataclass(frozen=True, slots=True)
class Range:
    """A number with its 95% interval.

    Attributes:
        label: Whose.
        role: `best` or `baseline`.
        value: The number.
        low: Lower end of its interval.
        high: Upper end.
    """

    label: str
    role: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The best design beside the best baseline.

    Attributes:
        best: The best design.
        rival: The best baseline that meets the target; None where there is none, or it is the best itself.
        words: The best design in words.
        target_ms: The target.
        latencies: Latencies of both.
        latency_axis: Holds them and the target.
        trained_for: How long both were trained, a sentence; empty without a baseline.
        gained: MAP50-95 of the best less the baseline's, on val; None where no gain may be claimed.
        gain: The same with its interval; None where there is none.
        gain_axis: Holds the interval and zero; None without an interval.
    """

    best: Finalist
    rival: Finalist | None
    words: str
    target_ms: float
    latencies: tuple[Range, ...]
    latency_axis: Axis
    trained_for: str
    gained: float | None
    gain: Gain | None
    gain_axis: Axis | None

    @property
    def sure(self) -> str:
        """What the interval says of the gain."""
        return interval_sentence(self.gain)


def answer_of(outcome: Outcome) -> Answer | None:
    """The answer of a search; None where nothing meets the target.

    Args:
        outcome: The search.
    """
    pair = compared_pair(outcome)
    if pair is None:
        return None
    best, rival = pair
    latencies = (_latency(best, "best"), *(() if rival is None else (_latency(rival, "baseline"),)))
    claimed = rival is not None and is_claimed(best, rival, outcome.standing)
    gain = outcome.gain if claimed else None
    target_ms = outcome.settings.limits.target_ms
    return Answer(
        best=best,
        rival=rival,
        words=design_words(best.evaluation.architecture),
        target_ms=target_ms,
        latencies=latencies,
        latency_axis=axis([target_ms, *(end for one in latencies for end in (one.low, one.high))], marks=4),
        trained_for="" if rival is None else _trained_for(best, rival, outcome.proxy_steps),
        gained=None if rival is None or not claimed else best.final.val.map50_95 - rival.final.val.map50_95,
        gain=gain,
        gain_axis=None if gain is None else axis([0.0, *gain.interval], marks=4),
    )


def _trained_for(best: Finalist, rival: Finalist, proxy_steps: int) -> str:
    ours, theirs = (one.steps or proxy_steps for one in (best, rival))
    if ours != theirs:
        return (
            f"{best.record.label} was trained for {ours:,} steps and {rival.record.label} for {theirs:,}: their "
            "accuracies do not compare."
        )
    return f"Both were trained for {ours:,} steps{'' if best.steps else ', as proxies'}."


def _latency(one: Finalist, role: str) -> Range:
    found = one.final.latency
    return Range(one.record.label, role, found.latency_ms, found.low_ms, found.high_ms)
