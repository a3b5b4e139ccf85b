"""What a search gained, in sentences that say no more than was measured."""

import os
from pathlib import Path

from nas.results.rung_sentences import gained_at_last_rung
from nas.study import Estimates, Finalist, Outcome
from nas.util.printable import shell_word


def gain_sentence(outcome: Outcome, known: Estimates | None = None) -> str:
    """What the search gained over the best baseline that meets the target, in one honest paragraph.

    Args:
        outcome: The search.
        known: What all scores say; None to learn it here.
    """
    return f"{_gained(outcome, known)}{_unconfirmed(outcome)}"


def _gained(outcome: Outcome, known: Estimates | None) -> str:
    best = outcome.best
    if best is None:
        return "Nothing that was trained meets the target in a fresh process; there is no best.yaml."
    if outcome.standing:
        now, val = outcome.standing, val_is(outcome)
        return gained_at_last_rung(best, outcome.baselines, outcome.candidates, now, val, outcome.gain)
    ties = _ties(outcome, best, outcome.known if known is None else known)
    rivals = [b for b in outcome.baselines if b.meets_target]
    if best.record.baseline:
        return (
            f"No candidate beats the baseline {best.record.label} ({_estimated(best)} mAP50-95 on the selection "
            f"part): best.yaml is that baseline. The search gained nothing at this budget.{ties}"
        )
    if not rivals:
        return (
            f"best.yaml is {best.record.label}. No baseline meets the target, so there is none to compare with at "
            f"this latency.{ties}"
        )
    rival = max(rivals, key=lambda f: f.accuracy)
    gained = best.accuracy - rival.accuracy
    on_val = best.final.val.map50_95 - rival.final.val.map50_95
    remeasured = (
        f"On val{val_is(outcome)}, the difference is {on_val:+.3f}."
        if on_val > 0
        else f"On val{val_is(outcome)}, the baseline is level or ahead ({on_val:+.3f}): the gain is not confirmed."
    )
    return (
        f"best.yaml is {best.record.label}: {gained:+.3f} mAP50-95 on the selection part against {rival.record.label}, "
        f"the best baseline that meets the target ({_estimated(best)} against {_estimated(rival)}), at "
        f"{best.final.latency.latency_ms:.2f} ms against {rival.final.latency.latency_ms:.2f} ms. "
        f"{remeasured}{ties}"
    )


def val_is(outcome: Outcome) -> str:
    """What may be said of val: candidates are chosen on a part of train, in which it may have pictures."""
    shared = outcome.findings.shared("val", "train")
    if shared is None:
        return ", which chose nothing"
    return f", of which {shared.files + shared.contents} of {shared.of} pictures are in train as well"


def _unconfirmed(outcome: Outcome) -> str:
    """Which finalists have the search's own latency only, and what to do about it."""
    labels = [f.record.label for f in outcome.finalists if not f.final.remeasured]
    if not labels:
        return ""
    return (
        f" The device was too disturbed to measure {', '.join(labels)} in fresh processes: the latency shown is the "
        "one with which the search screened it. When the device is quiet, the same command measures what is missing."
    )


def _estimated(finalist: Finalist) -> str:
    """An accuracy with its interval, or with the warning that it has none."""
    estimate = finalist.estimate
    if estimate is None:
        return f"{finalist.accuracy:.3f}, {finalist.seeds} seed{'s' if finalist.seeds > 1 else ''}"
    return f"{estimate.mean:.3f}, 95% {estimate.low:.3f} to {estimate.high:.3f}"


def _ties(outcome: Outcome, best: Finalist, known: Estimates) -> str:
    """Which designs cannot be told apart from the best."""
    if len({score for mine in known.scores.values() for score in mine}) == 1:
        return " All scores are the same: these proxies tell no design from another. Train longer ones (--steps)."
    if best.estimate is None:
        return " That is too few scores to learn from together: differences of one or two points are noise."
    label = best.record.label
    others = [f.record.label for f in outcome.finalists if f.meets_target and f is not best]
    if not others:
        return " No other finalist meets the target."
    same = [other for other in others if not known.apart(label, other)]
    if not same:
        return " All other finalists that meet the target differ from it by more than these proxies' noise."
    return f" These proxies cannot tell it apart from {', '.join(same)}: the 95% interval of the difference holds zero."


def next_commands(outcome: Outcome) -> list[str]:
    """The commands that follow a search, ready for a shell; without a best design none that needs it."""
    folder = outcome.folder
    named = folder.parent == Path("results") and not folder.name.startswith("-")
    name = shell_word(
        folder.name if named else os.path.join(".", folder) if str(folder).startswith("-") else str(folder)
    )
    with_the_best = [f"ghostnas train {name} epochs=100", f"ghostnas export {name} --to bundle"]
    return [*(with_the_best if outcome.best else []), f"ghostnas dashboard {name}"]
