"""How well proxies of a search's kind rank long trainings: what was measured once, for its report.

`proxy_quality.json` is written by `python -m benchmarks.proxies.quality --keep` from the tables of ghostbench.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from nas.study import SearchSettings

MEASURED = Path(__file__).with_name("proxy_quality.json")


@dataclass(frozen=True, slots=True)
class Ranking:
    """The measured ranking quality of one kind of proxy; taus are Kendall's, against long trainings.

    Attributes:
        space: Name of the space.
        space_digest: Its digest.
        data: Name of the data set.
        data_digest: Its digest, which a folder of the same name does not have.
        steps: Steps of a proxy.
        architectures: How many architectures in the latency bands.
        truth: What the long trainings were.
        within: Tau over pairs within a latency band, of single proxies.
        within_low: Lower end of its 95% interval.
        within_high: Upper end.
        estimated: The same of the estimates that a search compares by.
        params: The same of the parameter count.
        overall: Tau over all pairs, of the estimates; None where only bands were trained.
        ceiling: What a perfect proxy would reach within bands, for the noise of the long trainings; None where unknown.
    """

    space: str
    space_digest: str
    data: str
    data_digest: str
    steps: int
    architectures: int
    truth: str
    within: float
    within_low: float
    within_high: float
    estimated: float
    params: float
    overall: float | None
    ceiling: float | None


def measured() -> list[Ranking]:
    """Everything that was measured."""
    return [Ranking(**one) for one in json.loads(MEASURED.read_text(encoding="utf-8"))]


def quality_sentences(settings: SearchSettings, steps: int) -> list[str]:
    """Sentences on the ranking quality of a search's proxies, measured or not.

    Args:
        settings: The search's.
        steps: Steps of its proxies.
    """
    known = [one for one in measured() if one.space_digest == settings.space.space_digest]
    same = [one for one in known if one.steps == steps]
    usual = (
        settings.start.source,
        settings.proxy.teacher,
        settings.proxy.class_loss,
        settings.proxy.box_loss,
        settings.data.fraction,
    )
    if not same or usual != (None, None, "bce", "ciou", 1.0):
        return [
            f"How well proxies of {steps} steps {settings.beginning} rank designs of this space was not "
            "measured: take the order as a hint, and train several of the front fully."
        ]
    sentences = [_sentence(one) for one in same]
    if settings.data.data_digest not in {one.data_digest for one in same}:
        sentences.append(f"On the data of this search ({settings.data.data}) it was not measured.")
    return sentences


def _sentence(one: Ranking) -> str:
    ceiling = "" if one.ceiling is None else f" (the noise of those trainings allows {one.ceiling:.2f})"
    overall = "" if one.overall is None else f"; over all latencies the estimates reach {one.overall:.2f}"
    return (
        f"Among {one.architectures} designs of {one.space} of nearly equal latency, trained on {one.data} with "
        f"{one.truth}, single proxies of {one.steps} steps order pairs with Kendall tau {one.within:.2f} (95% "
        f"{one.within_low:.2f} to {one.within_high:.2f}), the estimates used here with {one.estimated:.2f}, the number "
        f"of parameters with {one.params:.2f}{ceiling}{overall}. 1 is the same order, 0 chance."
    )
