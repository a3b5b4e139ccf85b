"""What a report says of the rungs: how they rank, their winner beside the best baseline, and no gain without them."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from nas.study import Finalist, Gain, RungScore, RungScores, RungStanding, choose_best
from nas.util.printable import printable

LEAST_RANKED = 4
"""Designs from which on the report says how well a rung ranks them."""


def asked_line(steps: Sequence[int]) -> str:
    """What the rungs are, among what was asked."""
    return (
        f"- rungs: the best candidates and the best baseline of each kind are trained again from where their proxies "
        f"began, for {' and then '.join(f'{one:,}' for one in steps)} steps"
    )


def longest_column(steps: int) -> str:
    """What stands in the columns `steps` and `longest` of the report's table, and in others where they stand.

    Args:
        steps: Of the last rung.
    """
    return (
        " `longest` is mAP50-95 on the same part after the design's longest training, of so many `steps`; where it "
        "stands, `val` and the latency are of that training, elsewhere of the proxy. Scores of two lengths do not "
        f"compare; best.yaml is chosen among the designs of {steps:,} steps that meet the target."
    )


def gained_at_last_rung(
    best: Finalist,
    baselines: Sequence[Finalist],
    candidates: Sequence[Finalist],
    now: Sequence[RungStanding],
    val: str,
    gain: Gain | None = None,
) -> str:
    """What the search gained, by the longest trainings only.

    Args:
        best: The design of best.yaml.
        baselines: The finalists among the baselines.
        candidates: The other finalists.
        now: Where the rungs stand.
        val: What is to be said of val, after a comma.
        gain: The gain on val, with its interval.
    """
    return f"{_gained(best, baselines, candidates, now, val, gain)}{_failures(now)}"


def is_claimed(best: Finalist, rival: Finalist, now: Sequence[RungStanding]) -> bool:
    """Whether the difference of two designs on val may be called a gain: at the last rung, once all are finished.

    Without rungs it is the difference of their proxies, which have the same length.

    Args:
        best: The design of best.yaml.
        rival: The best baseline that meets the target.
        now: Where the rungs stand.
    """
    return not now or (all(one.finished for one in now) and all(_at(one, now[-1].steps) for one in (best, rival)))


def interval_sentence(gain: Gain | None) -> str:
    """What other pictures and other seeds might have made of a gain.

    Args:
        gain: The gain with its interval; None where there is none.
    """
    if gain is None:
        return "Each is one training: differences of one or two points are noise."
    low, high = gain.interval
    verdict = (
        "above zero"
        if low > 0
        else "below zero: the baseline is ahead"
        if high < 0
        else "an interval that holds zero: the gain is not certain"
    )
    return (
        f"With other pictures in val and other seeds of these trainings it would lie between {low:+.3f} and "
        f"{high:+.3f} (95%), {verdict}. How much seeds matter is a constant, measured on ghostnas' own benchmark and "
        "not on these data."
    )


def rung_provenance(now: Sequence[RungStanding], scores: RungScores) -> list[dict[str, Any]]:
    """The rungs for `run.json`."""
    return [
        {
            "steps": one.steps,
            "promoted": list(one.promoted),
            "missing": list(one.missing),
            "failed": one.failed,
            "scores": {label: some[one.steps].to_dict() for label, some in scores.items() if one.steps in some},
        }
        for one in now
    ]


def ranking_sentences(proxies: Mapping[str, float], proxy_steps: int, scores: RungScores) -> list[str]:
    """How each length of training ordered the designs that were promoted from it, against the next length.

    Args:
        proxies: By label, the scores of the proxies.
        proxy_steps: Steps of a proxy.
        scores: Scores at the rungs.
    """
    from scipy.stats import kendalltau

    by_steps: dict[int, Mapping[str, float]] = {proxy_steps: proxies}
    for steps in sorted({steps for some in scores.values() for steps in some}):
        by_steps[steps] = {label: some[steps].score.map50_95 for label, some in scores.items() if steps in some}
    found = []
    for (steps, shorter), (more, longer) in pairwise(by_steps.items()):
        both = [(shorter[label], score) for label, score in longer.items() if label in shorter]
        if len(both) >= LEAST_RANKED:
            tau = float(kendalltau(*zip(*both, strict=True)).statistic)
            order = "all scores are the same" if tau != tau else f"Kendall tau {tau:.2f}"
            found.append(f"{steps:,} against {more:,} steps, {len(both)} designs: {order}")
    if not found:
        return []
    return [
        f"How the lengths of training order the designs of this search: {'; '.join(found)}. 1 is the same order, 0 "
        "chance; only promoted designs are compared, which are closer to each other than all are."
    ]


def _gained(
    best: Finalist,
    baselines: Sequence[Finalist],
    candidates: Sequence[Finalist],
    now: Sequence[RungStanding],
    val: str,
    gain: Gain | None,
) -> str:
    label, last, steps = best.record.label, _at(best, now[-1].steps), now[-1].steps
    if not all(one.finished for one in now):
        so_far = f"most accurate at the last rung so far ({_score(last)})" if last else "most accurate so far"
        return f"best.yaml is {label}, the {so_far}. {_unfinished(now)} No gain is claimed before."
    if last is None:
        trained = any(_at(one, steps) for one in [*baselines, *candidates])
        why = "of the last rung meets the target in a fresh process" if trained else f"was trained for {steps:,} steps"
        return f"No design {why}. best.yaml is {label}, the most accurate by shorter trainings: no gain is claimed."
    if best.record.baseline:
        return (
            f"No candidate beats the baseline {label} at the last rung ({_score(last)}{_behind(candidates, steps)}): "
            "best.yaml is that baseline. The search gained nothing at this budget."
        )
    rival = choose_best(baselines)
    theirs = None if rival is None else _at(rival, steps)
    if rival is None or theirs is None:
        return (
            f"best.yaml is {label}: {_score(last)}. No baseline that meets the target was trained as long, so there is "
            "none to compare with, and no gain is claimed."
        )
    gained = last.score.map50_95 - theirs.score.map50_95
    return (
        f"best.yaml is {label}: {_score(last)}, {gained:+.3f} against {rival.record.label}, the best baseline that "
        f"meets the target ({_score(theirs)}), at {best.final.latency.latency_ms:.2f} ms against "
        f"{rival.final.latency.latency_ms:.2f} ms. {_on_val(best, rival, val)} {interval_sentence(gain)}"
    )


def _at(finalist: Finalist, steps: int) -> RungScore | None:
    """A finalist's training at a rung."""
    return finalist.rungs.get(steps)


def _on_val(best: Finalist, rival: Finalist, val: str) -> str:
    ours, theirs = best.final.val.map50_95, rival.final.val.map50_95
    verdict = (
        f"a gain of {ours - theirs:+.3f}."
        if ours > theirs
        else f"the baseline is level or ahead ({ours - theirs:+.3f}), and the gain is not confirmed."
    )
    return f"On val{val}, it has {ours:.3f} and the baseline {theirs:.3f}: {verdict}"


def _score(last: RungScore) -> str:
    return f"{last.score.map50_95:.3f} mAP50-95 on the selection part after {last.steps:,} steps at rate {last.lr:g}"


def _behind(candidates: Sequence[Finalist], steps: int) -> str:
    first = choose_best(candidates)
    last = None if first is None else _at(first, steps)
    if first is None or last is None:
        return ""
    return f"; the best candidate, {first.record.label}, has {last.score.map50_95:.3f}"


def _unfinished(now: Sequence[RungStanding]) -> str:
    missing = [
        f"{len(one.promoted) - len(one.missing)} of {len(one.promoted)} trained for {one.steps:,} steps, "
        f"{', '.join(one.missing)} missing"
        for one in now
        if one.missing
    ]
    if not missing:
        return "The last rung begins when all trials have ended; the same command goes on."
    return f"The rungs are not finished ({'; '.join(missing)}); the same command goes on with them."


def _failures(now: Sequence[RungStanding]) -> str:
    listed = [
        f"{label} at {one.steps:,} steps ({printable(reason)})" for one in now for label, reason in one.failed.items()
    ]
    return f" Failed: {'; '.join(listed)}." if listed else ""
