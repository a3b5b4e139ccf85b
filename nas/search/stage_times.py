"""What the parts of a design are estimated to take: the predictor's costs, scaled to the measured latency."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from nas.architecture import LEVELS, Architecture, to_yaml
from nas.errors import LatencyError
from nas.latency.predictor import LEAST_SAMPLES, Predictor, layer_times
from nas.search.latency_filter import LEARNT_FROM, sample_of
from nas.study import HEAD, NECK, STEM, TOP, Finalist, Record, StageTime
from nas.util.machine_lock import MachineLock


def stage_times(
    records: Sequence[Record], finalists: Sequence[Finalist], classes: int
) -> dict[str, tuple[StageTime, ...]]:
    """By label, what the parts of some designs are estimated to take.

    Args:
        records: What the search measured, from which the costs are learnt.
        finalists: The designs, with their latencies.
        classes: Number of classes.

    Raises:
        LatencyError: Too little was measured.
        ModelError: The predictor cannot read a graph.
    """
    from nas.model import build, to_onnx

    known = [record.evaluation for record in records if record.evaluation is not None][-LEARNT_FROM:]
    if len(known) < LEAST_SAMPLES:
        raise LatencyError(f"{len(known)} designs were measured, and an estimate needs {LEAST_SAMPLES}")
    found = {}
    try:
        with MachineLock().training():  # building a graph keeps a core busy
            predictor = Predictor.fit([sample_of(one, classes) for one in known])
            for one in finalists:
                design = one.evaluation.architecture
                onnx = to_onnx(build(to_yaml(design, classes), seed=0), design.imgsz)
                layers = layer_times(onnx, predictor, one.final.latency.latency_ms)
                found[one.record.label] = by_stage(design, layers)
    except np.linalg.LinAlgError as error:
        raise LatencyError(f"the predictor cannot be fitted: {error}") from error
    return found


def by_stage(design: Architecture, layers: Mapping[int, float]) -> tuple[StageTime, ...]:
    """Layers' times added up by stage, in the order in which a picture passes them.

    Args:
        design: The design.
        layers: Milliseconds by row of its YAML; the last is the head.
    """
    total: dict[str, float] = defaultdict(float)
    for layer, ms in sorted(layers.items()):
        total[_stage(design, layer, max(layers))] += ms
    return tuple(StageTime(stage, ms) for stage, ms in total.items())


def _stage(design: Architecture, layer: int, last: int) -> str:
    """The stage of a row: the stem, two rows a level, SPPF and C2PSA, the neck, the head."""
    top = 1 + 2 * len(LEVELS)
    if layer == 0:
        return STEM
    if layer < top:
        return LEVELS[(layer - 1) // 2]
    if layer < top + design.sppf + design.c2psa:
        return TOP
    return HEAD if layer == last else NECK
