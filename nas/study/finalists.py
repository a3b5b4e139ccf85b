"""What is claimed of finalists: latency in fresh processes, mAP on val; and which of them is best."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Self

from nas.latency import Latency
from nas.proxy import Score
from nas.study.evaluation import Evaluation
from nas.study.record import TrainedRecord
from nas.study.rungs import RungScore, longest
from nas.surrogate import AccuracyEstimate


@dataclass(frozen=True, slots=True)
class FinalMeasurement:
    """What is claimed of a finalist: its latency in fresh processes and its score on val, both of one exported file.

    Attributes:
        latency: The finalist measurement; where the device was too disturbed for one, the search's screening.
        val: The file's score on val, computed in the runtime and precision that were timed.
        val_float: The float32 torch model's score on val, where the file has another precision.
        difference: Largest difference of the file's raw outputs from the float32 torch model's on pictures of val,
            relative to the larger of one and the output (`nas/latency/outputs.py`).
        file: SHA-256 of the file.
    """

    latency: Latency
    val: Score
    val_float: Score | None
    difference: float
    file: str

    @property
    def remeasured(self) -> bool:
        """Whether the latency was measured in fresh processes, and not only when the search screened the design."""
        return self.latency.level == "finalist"

    @property
    def precision_lost(self) -> float | None:
        """mAP50-95 that the precision costs, in [0, 1]; None where the file is the float32 one."""
        return None if self.val_float is None else self.val_float.map50_95 - self.val.map50_95

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "latency": self.latency.to_dict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        plain = None if data["val_float"] is None else Score(**data["val_float"])
        return cls(Latency.from_dict(data["latency"]), Score(**data["val"]), plain, data["difference"], data["file"])


@dataclass(frozen=True, slots=True)
class Finalist:
    """A trained record with its final.

    Attributes:
        record: The stored trial.
        final: Its latency and its score on val.
        meets_target: Whether the upper end of its latency's interval is at or under the target and no other limit is
            broken.
        accuracy: What it is compared by, mAP50-95 on the selection part: its estimate, or the mean of its own scores.
        estimate: Its accuracy from every score of the search (`nas/study/accuracy.py`); None where there were too few
            to learn from.
        seeds: Proxies that were trained of it.
        rungs: Its longer trainings, by steps; `final` is of the weights of the longest.
    """

    record: TrainedRecord
    final: FinalMeasurement
    meets_target: bool
    accuracy: float
    estimate: AccuracyEstimate | None
    seeds: int
    rungs: Mapping[int, RungScore] = field(default_factory=dict)

    @property
    def evaluation(self) -> Evaluation:
        """What was measured while the search ran."""
        return self.record.evaluation

    @property
    def longest(self) -> RungScore | None:
        """Its longest training above its proxy; None where it was not promoted."""
        return longest(self.rungs)

    @property
    def steps(self) -> int:
        """Steps of its longest training above its proxy; 0 where it was not promoted."""
        return max(self.rungs, default=0)

    @property
    def score(self) -> Score:
        """The proxy's score on the selection part."""
        return self.record.score


class Finalists(NamedTuple):
    """The finalists of a search.

    Attributes:
        front: The front of all candidates and of those that meet the target, from the fastest to the slowest.
        baselines: The baselines.
        promoted: The candidates that were promoted to the last rung and are not on the front.
    """

    front: list[Finalist]
    baselines: list[Finalist]
    promoted: list[Finalist]


def choose_best(finalists: Iterable[Finalist]) -> Finalist | None:
    """The most accurate finalist that meets the target.

    That is decided among those that trained longest: scores of two lengths are never compared. Among designs that were
    not promoted it is decided by the estimates.

    Returns:
        The best, or None when nothing meets the target.
    """
    meeting = [f for f in finalists if f.meets_target]
    steps = max((f.steps for f in meeting), default=0)
    deciding = [f for f in meeting if f.steps == steps]
    return max(deciding, key=lambda f: (accuracy(f), -f.final.latency.latency_ms), default=None)


def accuracy(finalist: Finalist) -> float:
    """MAP50-95 on the selection part by the longest training above the proxy, or the estimate where there is none."""
    found = finalist.longest
    return finalist.accuracy if found is None else found.score.map50_95
