"""A finished, or interrupted, search as one value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.data import Findings
from nas.inherit import Tuned
from nas.study.accuracy import Estimates, Repeats, estimates
from nas.study.comparison import Comparison
from nas.study.finalists import Finalist, choose_best
from nas.study.gain import Gain
from nas.study.record import Record, trained
from nas.study.rungs import RungScores, RungStanding
from nas.study.settings import SearchSettings
from nas.util.provenance import command, host_machine, versions


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished, or interrupted, search.

    Attributes:
        folder: Results folder.
        settings: What was asked.
        budget: Candidates to train.
        records: Every candidate.
        baseline_records: Every baseline, failed ones included.
        repeats: Scores of more seeds, by label.
        begun: Where and with what the search began: `device` and `runtime` of the latencies, `arithmetic` of the
            proxies, `machine` and `versions`.
        front: The front's finalists.
        baselines: The baselines' finalists.
        fastest_ms: Latency of the fastest corner of the space.
        slowest_ms: Latency of the slowest corner of the space.
        ended: Why the search ended.
        seconds: Wall time of this part of the search.
        data_sizes: Pictures in train, select and val.
        protocol: How proxies train.
        data_yaml: Absolute path of the data YAML, None for the embedded set.
        data_file: The same, the embedded set's included.
        class_names: Names of the classes, in their order.
        findings: What is to be said of the data.
        promoted: The finalists that are candidates of the last rung and not on the front.
        source: What the candidates inherit from, None from scratch.
        standing: Where each rung stands, the shortest first; empty where the search has none.
        rungs: Scores at the rungs, by label and steps.
        first_rung: Steps of a proxy; None for as many as were asked for.
        asked: Candidates that were asked for, where a time left room for fewer; None for the budget.
        lengthened: Why they are more, once for every time.
        gain: The best design's gain over the best baseline on val; None where the rungs do not give one.
        retrained: File stems of weights that were not in the results folder and were trained again.
        comparison: The best design beside the best baseline on the pictures of val; None where their trained models
            were not looked at, or what was found is gone.
        command: The command line of this part of the search.
        versions: Versions with which this part was carried out.
        machine: The machine on which it was.
    """

    folder: Path
    settings: SearchSettings
    budget: int
    records: Sequence[Record]
    baseline_records: Sequence[Record]
    repeats: Repeats
    begun: Mapping[str, Any]
    front: Sequence[Finalist]
    baselines: Sequence[Finalist]
    fastest_ms: float
    slowest_ms: float
    ended: str
    seconds: float
    data_sizes: dict[str, int]
    protocol: dict[str, Any]
    data_yaml: str | None
    data_file: str
    class_names: tuple[str, ...]
    findings: Findings
    promoted: Sequence[Finalist] = ()
    source: Tuned | None = None
    standing: Sequence[RungStanding] = ()
    rungs: RungScores = field(default_factory=dict)
    first_rung: int | None = None
    asked: int | None = None
    lengthened: Sequence[str] = ()
    gain: Gain | None = None
    retrained: Sequence[str] = ()
    comparison: Comparison | None = None
    command: str = field(default_factory=command)
    versions: Mapping[str, str] = field(default_factory=versions)
    machine: Mapping[str, Any] = field(default_factory=host_machine)

    @property
    def candidates(self) -> list[Finalist]:
        """The finalists that are no baselines, the front first."""
        return [*self.front, *self.promoted]

    @property
    def finalists(self) -> list[Finalist]:
        """Every finalist, the baselines last."""
        return [*self.candidates, *self.baselines]

    @property
    def best(self) -> Finalist | None:
        """The most accurate finalist that meets the target; a baseline where it is level with a candidate."""
        return choose_best([*self.baselines, *self.candidates])

    @property
    def known(self) -> Estimates:
        """What all scores say of every design."""
        return estimates([*self.baseline_records, *self.records], self.repeats, self.rungs)

    @property
    def proxy_steps(self) -> int:
        """Steps of a proxy."""
        return self.first_rung or self.settings.proxy.steps

    @property
    def proxy_scores(self) -> dict[str, float]:
        """By label, mAP50-95 of every design's first proxy."""
        return {one.label: one.score.map50_95 for one in trained([*self.baseline_records, *self.records])}

    def count(self, status: str) -> int:
        """Candidates with a status."""
        return sum(r.status == status for r in self.records)

    def random_share_rejected(self) -> tuple[int, int]:
        """(rejected, all) of the candidates that were drawn at random."""
        drawn = [r for r in self.records if r.origin == "random" and r.status in ("trained", "rejected")]
        return sum(r.status == "rejected" for r in drawn), len(drawn)

    def limit_used(self) -> list[float]:
        """Of each trained candidate that was proposed for accuracy, the share of the limit that binds first.

        Those are the proposals by expected improvement.
        """
        limits = self.settings.limits
        return [
            limits.used(one.evaluation.latency, one.evaluation.params, one.evaluation.gflops, one.evaluation.onnx_bytes)
            for one in trained(self.records)
            if one.origin == "expected-improvement"
        ]
