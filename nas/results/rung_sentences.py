"""What a report says of the last rung: its winner beside the best baseline, and no gain that it does not show."""

from collections.abc import Sequence
from typing import Any

from nas.study import TOP_K, Finalist, LastRung, Standing, choose_best
from nas.util.printable import printable


def asked_line(steps: int) -> str:
    """What the last rung is, among what was asked."""
    return (
        f"- last rung: {steps:,} steps from where the proxies begin, for the {TOP_K} most accurate candidates and "
        "the best baseline of each kind"
    )


def last_column(steps: int) -> str:
    """What stands in the column `last` of the report's table, and in others where it stands."""
    return (
        f" `last` is mAP50-95 on the same part after the {steps:,} steps of the last rung; where it stands, `val` and "
        "the latency are of that training, elsewhere of the proxy. Scores of the two lengths do not compare."
    )


def gained_at_last_rung(
    best: Finalist, baselines: Sequence[Finalist], candidates: Sequence[Finalist], now: Standing, steps: int, val: str
) -> str:
    """What the search gained, by the longest trainings only.

    Args:
        best: The design of best.yaml.
        baselines: The finalists among the baselines.
        candidates: The other finalists.
        now: Where the last rung stands.
        steps: Its steps.
        val: What is to be said of val, after a comma.
    """
    return f"{_gained(best, baselines, candidates, now, steps, val)}{_failures(now)}"


def last_rung_provenance(finalists: Sequence[Finalist], now: Standing) -> dict[str, Any]:
    """The last rung for `run.json`."""
    return {
        "promoted": list(now.promoted),
        "missing": list(now.missing),
        "failed": now.failed,
        "scores": {f.record.label: f.last.to_dict() for f in finalists if f.last is not None},
    }


def _gained(
    best: Finalist, baselines: Sequence[Finalist], candidates: Sequence[Finalist], now: Standing, steps: int, val: str
) -> str:
    label, last = best.record.label, best.last
    if not now.finished:
        so_far = f"most accurate at the last rung so far ({_score(last)})" if last else "most accurate by proxies"
        return f"best.yaml is {label}, the {so_far}. {_unfinished(now)} No gain is claimed before."
    if last is None:
        trained = any(one.last for one in [*baselines, *candidates])
        why = "of the last rung meets the target in a fresh process" if trained else f"was trained for {steps:,} steps"
        return f"No design {why}. best.yaml is {label}, the most accurate by proxies: no gain is claimed."
    if best.record.baseline:
        return (
            f"No candidate beats the baseline {label} at the last rung ({_score(last)}{_behind(candidates)}): "
            "best.yaml *is* that baseline. The search gained nothing at this budget."
        )
    rival = choose_best(baselines)
    if rival is None or rival.last is None:
        return (
            f"best.yaml is {label}: {_score(last)}. No baseline that meets the target was trained as long, so there is "
            "none to compare with, and no gain is claimed."
        )
    gained = last.score.map50_95 - rival.last.score.map50_95
    return (
        f"best.yaml is {label}: {_score(last)}, {gained:+.3f} against {rival.record.label}, the best baseline that "
        f"meets the target ({_score(rival.last)}), at {best.final.latency.latency_ms:.2f} ms against "
        f"{rival.final.latency.latency_ms:.2f} ms. {_on_val(best, rival, val)} Each is one training: differences of "
        "one or two points are noise."
    )


def _on_val(best: Finalist, rival: Finalist, val: str) -> str:
    ours, theirs = best.final.val.map50_95, rival.final.val.map50_95
    verdict = (
        f"a gain of {ours - theirs:+.3f}."
        if ours > theirs
        else f"the baseline is level or ahead ({ours - theirs:+.3f}), and the gain is not confirmed."
    )
    return f"On val{val}, it has {ours:.3f} and the baseline {theirs:.3f}: {verdict}"


def _score(last: LastRung) -> str:
    return f"{last.score.map50_95:.3f} mAP50-95 on the selection part after {last.steps:,} steps at rate {last.lr:g}"


def _behind(candidates: Sequence[Finalist]) -> str:
    first = choose_best(candidates)
    if first is None or first.last is None:
        return ""
    return f"; the best candidate, {first.record.label}, has {first.last.score.map50_95:.3f}"


def _unfinished(now: Standing) -> str:
    if not now.decided:
        return "The last rung begins when all trials have ended; the same command goes on."
    return (
        f"The last rung is not finished ({len(now.promoted) - len(now.missing)} of {len(now.promoted)} trained, "
        f"{', '.join(now.missing)} missing); the same command goes on with it."
    )


def _failures(now: Standing) -> str:
    if not now.failed:
        return ""
    listed = "; ".join(f"{label} ({printable(reason)})" for label, reason in now.failed.items())
    return f" Failed at the last rung: {listed}."
