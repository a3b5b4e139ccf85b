"""The last word on the front and the baselines: latency in a fresh process, accuracy on pictures never looked at.

During a search a candidate's latency is a screening measurement and its accuracy a score on the part of *train* that
candidates are chosen by. Both flatter the chosen. So every member of the front and every baseline is measured again in
a new process, and scored once on the data set's own *val*. Where the device is too disturbed for that, the screening
stays, is called unconfirmed, and does not count as meeting the target.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from nas.data.sample import QUANTISED_WITH, sample_pictures
from nas.denoise import Estimate
from nas.errors import Unmeasurable
from nas.estimates import Estimates, estimates
from nas.evaluate import Evaluation, Task, calibration_pictures
from nas.latency import Latency, LatencySettings
from nas.latency.artifact import prepare
from nas.latency.difference import difference
from nas.latency.measure import Comparison, compare
from nas.latency.patience import DISTURBED_PAUSES_S, patiently, surely
from nas.latency.predictions import opened_for_pictures
from nas.latency.sized import Sized
from nas.pareto import front_indices
from nas.proxy import Score
from nas.study import Record, StoredStudy
from nas.turnstile import Turnstile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from nas.data.values import Split

_KEPT_AS = "finals"

_PAUSES_S = (*DISTURBED_PAUSES_S, 60.0, 120.0)
"""What a search claims is worth a longer wait for a quiet device than other measurements."""

_PAUSES_AFTER_S = DISTURBED_PAUSES_S[:1]
"""Once it was waited for in vain, the others do not wait as long again, each for itself."""

COMPARED_ON = 8
"""Pictures on which a file's outputs are compared with torch's."""


@dataclass(frozen=True, slots=True)
class Final:
    """What is claimed of a finalist: its latency in fresh processes and its score on val, both of one exported file.

    Attributes:
        latency: The finalist measurement; where the device was too disturbed for one, the search's screening.
        val: The file's score on val, computed in the runtime and precision that were timed.
        val_float: The float32 torch model's score on val, where the file has another precision.
        difference: Largest difference of the file's raw outputs from the float32 torch model's on pictures of val,
            relative to the larger of one and the output (`nas/latency/difference.py`).
        file: SHA-256 of the file.
    """

    latency: Latency
    val: Score
    val_float: Score | None
    difference: float
    file: str

    @property
    def confirmed(self) -> bool:
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
        evaluation: Its evaluation.
        score: Its score on the selection part.
        final: Its latency and its score on val.
        meets_target: Whether its latency is confirmed, the upper end of its interval at or under the target, and no
            other limit broken.
        accuracy: What it is compared by, mAP50-95 on the selection part: its estimate, or the mean of its own scores.
        estimate: Its accuracy from every score of the search (`nas/estimates.py`); None where there were too few to
            learn from.
        seeds: Proxies that were trained of it.
    """

    record: Record
    evaluation: Evaluation
    score: Score
    final: Final
    meets_target: bool
    accuracy: float
    estimate: Estimate | None
    seeds: int


def conclude(
    study: StoredStudy,
    task: Task,
    on_step: Callable[[str], None] = lambda label: None,
    on_wait: Callable[[str], None] = lambda text: None,
) -> tuple[list[Finalist], list[Finalist]]:
    """Finish a search: the front of the trained candidates, and the baselines.

    A fresh measurement can move a member behind another candidate; then the front is drawn again, and whoever enters
    is measured too, until every member of the front has a fresh latency.

    Args:
        study: The stored study; confirmed finals are kept with it and not repeated.
        task: How the search evaluates.
        on_step: Called with the label of each finalist before it is measured.
        on_wait: Told why a finalist's latency has to wait, or stays unconfirmed.

    Returns:
        The front, from the fastest to the most accurate, and the baselines.

    Raises:
        LatencyError: A finalist could not be measured, for another reason than a disturbed device.
    """
    kept: dict[str, dict[str, Any]] = study.attribute(_KEPT_AS) or {}
    finals = {label: Final.from_dict(value) for label, value in kept.items()}

    def settle(record: Record) -> None:
        if record.label not in finals:
            on_step(record.label)
            steady = all(final.confirmed for final in finals.values())
            finals[record.label] = _final(record, task, on_wait, _PAUSES_S if steady else _PAUSES_AFTER_S)
            study.keep(_KEPT_AS, {label: final.to_dict() for label, final in finals.items() if final.confirmed})

    baselines = [r for r in study.baselines() if r.status == "trained"]
    for record in baselines:
        settle(record)
    trained = [r for r in study.records() if r.status == "trained"]
    known = estimates([*baselines, *trained], study.repeats())
    while True:
        front = _front(trained, finals, known)
        missing = [record for record in front if record.label not in finals]
        if not missing:
            break
        for record in missing:
            settle(record)

    def finalist(record: Record) -> Finalist:
        return _finalist(record, finals[record.label], task.limits.target_ms, known)

    return [finalist(record) for record in front], [finalist(record) for record in baselines]


def choose_best(front: Sequence[Finalist], baselines: Sequence[Finalist]) -> Finalist | None:
    """The most accurate finalist that meets the target, by its estimate; a baseline only when it is ahead.

    Returns:
        The best, or None when nothing meets the target.
    """
    meeting = [f for f in [*baselines, *front] if f.meets_target]
    return max(meeting, key=lambda f: (f.accuracy, -f.final.latency.latency_ms), default=None)


def _front(trained: Sequence[Record], finals: dict[str, Final], known: Estimates) -> list[Record]:
    points = []
    for record in trained:
        evaluation, _ = _known(record)
        latency = finals[record.label].latency if record.label in finals else evaluation.latency
        points.append((latency.latency_ms, known.accuracy(record.label)))
    return [trained[index] for index in front_indices(points)]


def _known(record: Record) -> tuple[Evaluation, Score]:
    if record.evaluation is None or record.evaluation.score is None:
        raise ValueError(f"{record.label} is {record.status}; only a trained trial can be a finalist")
    return record.evaluation, record.evaluation.score


def _finalist(record: Record, final: Final, target_ms: float, known: Estimates) -> Finalist:
    evaluation, score = _known(record)
    other_limits = [text for text in evaluation.violations if not text.startswith("latency")]
    meets = final.confirmed and final.latency.meets(target_ms) and not other_limits
    label = record.label
    told = known.accuracy(label), known.interval(label), known.seeds(label)
    return Finalist(record, evaluation, score, final, meets, *told)


def _final(record: Record, task: Task, on_wait: Callable[[str], None], pauses_s: Sequence[float]) -> Final:
    """Measure and score one file: what is claimed of a finalist's latency and of its accuracy is true of the same."""
    from nas.data import load
    from nas.proxy import evaluate

    evaluation, _ = _known(record)
    imgsz = evaluation.architecture.imgsz
    model = _trained(task.folder / "models" / f"{record.label}.yaml", task)
    data = load(task.data, fraction=task.fraction)
    file = Sized(prepare(model, imgsz, task.latency, calibration_pictures(task, imgsz, QUANTISED_WITH)), imgsz)
    try:
        latency = _fresh(file, task, on_wait, pauses_s)
    except Unmeasurable as error:
        on_wait(f"{error}: {record.label} stays unconfirmed")
        latency = evaluation.latency
    val = score_file(file, data.val, task.latency)
    val_float = None
    if task.latency.precision != "float32":
        val_float = evaluate(model, data.val, data, imgsz, device=task.proxy.device, turnstile=Turnstile())
    seen = sample_pictures(task.data, imgsz, COMPARED_ON, "val", task.fraction)
    return Final(latency, val, val_float, _difference(file, model, seen, task.latency), file.model.digest)


def _fresh(file: Sized, task: Task, on_wait: Callable[[str], None], pauses_s: Sequence[float]) -> Latency:
    def measured() -> Comparison:
        return compare([file], task.latency, task.calibration, level="finalist")

    def decided(found: Comparison) -> bool:
        (one,) = found.latencies
        target_ms = task.limits.target_ms
        return task.latency.statistic != "quiet" or one.meets(target_ms) or one.low_ms > target_ms

    found = patiently(
        lambda: surely(measured, lambda one: one.width, decided, notice=on_wait), pauses_s=pauses_s, notice=on_wait
    )
    return found.latencies[0]


def _difference(file: Sized, model: "nn.Module", pictures: "NDArray[np.float32]", latency: LatencySettings) -> float:
    import torch

    from nas.build import fused

    deployed = fused(model.cpu())

    def expected(batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        with torch.inference_mode():
            found: NDArray[np.float32] = deployed(torch.from_numpy(batch))[0].numpy()
        return found

    with opened_for_pictures(file, latency) as predict:
        return difference(predict, expected, pictures)


def _trained(yaml: Path, task: Task) -> "nn.Module":
    import torch

    from nas.build import build

    model: nn.Module = build(yaml.read_text(), task.classes)
    model.load_state_dict(torch.load(yaml.with_suffix(".pt"), map_location="cpu", weights_only=True))
    return model


def score_file(file: Sized, split: "Split", latency: LatencySettings) -> Score:
    """Score a file in the runtime and precision in which it is timed.

    Raises:
        RuntimeMissing: The runtime is not installed on this machine.
        LatencyError: The file does not run here.
    """
    import torch

    from nas.proxy.score import score_with

    with opened_for_pictures(file, latency) as predict:
        return score_with(lambda images: torch.from_numpy(predict(images.numpy())), split, file.imgsz, Turnstile())
