"""The results as CSV tables: every trial, the front, the baselines, the designs of the last rung, every rung."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from nas.study import Estimates, Finalist, Record, RungScore, RungScores, longest
from nas.surrogate import AccuracyEstimate

Row = Mapping[str, object]

FRONT_HEADER = (
    "trial",
    "map50_95",
    "map50",
    "estimate",
    "estimate_low",
    "estimate_high",
    "seeds",
    "rung_steps",
    "rung_map50_95",
    "rung_lr",
    "latency_ms",
    "latency_low_ms",
    "latency_high_ms",
    "latency_level",
    "meets_target",
    "params",
    "gflops",
    "val_map50_95",
    "val_map50",
    "yaml",
    "imgsz",
    "architecture",
)
BASELINE_HEADER = ("baseline", *FRONT_HEADER[1:])
RUNGS_HEADER = ("trial", "steps", "map50_95", "map50", "lr", "seconds")
TRIALS_HEADER = (
    "trial",
    "status",
    "origin",
    "map50_95",
    "map50",
    "estimate",
    "estimate_low",
    "estimate_high",
    "seeds",
    "rung_steps",
    "rung_map50_95",
    "rung_lr",
    "latency_ms",
    "latency_low_ms",
    "latency_high_ms",
    "params",
    "gflops",
    "onnx_bytes",
    "imgsz",
    "build_s",
    "latency_s",
    "proxy_s",
    "inherited",
    "reason",
    "architecture",
)


def trial_rows(records: Sequence[Record], known: Estimates, rungs: RungScores) -> list[Row]:
    """One row a trial, in the order given; what was not measured stays empty.

    Args:
        records: Baselines and candidates.
        known: What all scores say.
        rungs: Scores of longer trainings.
    """
    return [
        _trial_row(record) | _accuracy(record, known) | _promoted(longest(rungs.get(record.label, {})))
        for record in records
    ]


def front_rows(front: Sequence[Finalist]) -> list[Row]:
    """One row a front member: those that meet the target first, each group from the most accurate down."""
    ordered = sorted(front, key=lambda f: (not f.meets_target, -f.accuracy))
    return [
        {"trial": f.record.number, **_finalist(f), "yaml": f"front/{f.record.label}.yaml", **_design(f)}
        for f in ordered
    ]


def baseline_rows(baselines: Sequence[Finalist]) -> list[Row]:
    """One row a baseline, with the columns of the front."""
    return [
        {"baseline": f.record.label, **_finalist(f), "yaml": f"front/{f.record.label}.yaml", **_design(f)}
        for f in baselines
    ]


def promoted_rows(finalists: Sequence[Finalist], steps: int) -> list[Row]:
    """One row a finalist that trained at a rung, with the columns of the front, the most accurate at it first.

    Args:
        finalists: The finalists.
        steps: Steps of the rung.
    """
    trained = [(f.rungs[steps].score.map50_95, f) for f in finalists if steps in f.rungs]
    ordered = [f for _, f in sorted(trained, key=lambda one: (not one[1].meets_target, -one[0]))]
    return [
        {
            "trial": f.record.label if f.record.baseline else f.record.number,
            **_finalist(f),
            "yaml": f"front/{f.record.label}.yaml",
            **_design(f),
        }
        for f in ordered
    ]


def rung_rows(rungs: RungScores) -> list[Row]:
    """One row a training at a rung, the shortest rung first."""
    every = [(steps, label, one) for label, some in rungs.items() for steps, one in some.items()]
    return [
        {
            "trial": label.removeprefix("trial-"),
            "steps": steps,
            "map50_95": round(one.score.map50_95, 5),
            "map50": round(one.score.map50, 5),
            "lr": one.lr,
            "seconds": round(one.seconds, 1),
        }
        for steps, label, one in sorted(every, key=lambda one: one[:2])
    ]


def write_csv(path: Path, rows: Sequence[Row], header: Sequence[str]) -> None:
    """Write rows to a CSV file; an empty table still has its header."""
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else list(header), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _finalist(finalist: Finalist) -> dict[str, object]:
    latency, evaluation = finalist.final.latency, finalist.evaluation
    return {
        "map50_95": round(finalist.score.map50_95, 5),
        "map50": round(finalist.score.map50, 5),
        **_estimated(finalist.estimate),
        "seeds": finalist.seeds,
        **_promoted(finalist.longest),
        "latency_ms": round(latency.latency_ms, 4),
        "latency_low_ms": round(latency.low_ms, 4),
        "latency_high_ms": round(latency.high_ms, 4),
        "latency_level": latency.level,
        "meets_target": str(finalist.meets_target).lower(),
        "params": evaluation.params,
        "gflops": round(evaluation.gflops, 4),
        "val_map50_95": round(finalist.final.val.map50_95, 5),
        "val_map50": round(finalist.final.val.map50, 5),
    }


def _estimated(estimate: AccuracyEstimate | None) -> dict[str, object]:
    if estimate is None:
        return {"estimate": "", "estimate_low": "", "estimate_high": ""}
    return {
        "estimate": round(estimate.mean, 5),
        "estimate_low": round(estimate.low, 5),
        "estimate_high": round(estimate.high, 5),
    }


def _promoted(last: RungScore | None) -> dict[str, object]:
    if last is None:
        return {"rung_steps": "", "rung_map50_95": "", "rung_lr": ""}
    return {
        "rung_steps": last.steps,
        "rung_map50_95": round(last.score.map50_95, 5),
        "rung_lr": last.lr,
    }


def _accuracy(record: Record, known: Estimates) -> dict[str, object]:
    return {**_estimated(known.interval(record.label)), "seeds": known.seeds(record.label) or ""}


def _design(finalist: Finalist) -> dict[str, object]:
    architecture = finalist.evaluation.architecture
    return {"imgsz": architecture.imgsz, "architecture": architecture.key}


def _trial_row(record: Record) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(TRIALS_HEADER, "")
    row |= {
        "trial": record.label if record.baseline else record.number,
        "status": record.status,
        "origin": record.origin,
        "reason": record.reason or "",
        "architecture": record.key,
    }
    if record.evaluation is None:
        return row
    evaluation, latency, score = record.evaluation, record.evaluation.latency, record.evaluation.score
    if score is not None:
        row |= {"map50_95": round(score.map50_95, 5), "map50": round(score.map50, 5)}
    row |= {
        "latency_ms": round(latency.latency_ms, 4),
        "latency_low_ms": round(latency.low_ms, 4),
        "latency_high_ms": round(latency.high_ms, 4),
        "params": evaluation.params,
        "gflops": round(evaluation.gflops, 4),
        "onnx_bytes": evaluation.onnx_bytes,
        "imgsz": evaluation.architecture.imgsz,
        "inherited": "" if evaluation.inherited is None else round(evaluation.inherited, 4),
        "reason": "; ".join(one.text for one in evaluation.violations),
    }
    return row | {f"{part}_s": round(seconds, 2) for part, seconds in evaluation.seconds.items()}
