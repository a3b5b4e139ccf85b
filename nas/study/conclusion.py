"""What a study keeps as its search concludes, so that the report can be written again without searching.

It is a snapshot: whatever the study gets later, by a larger budget, is not in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from nas.data import Findings
from nas.errors import StudyError
from nas.inherit import Tuned
from nas.study.comparison import Comparison, read_comparison
from nas.study.finalists import Finalist, FinalMeasurement, choose_best
from nas.study.gain import Gain
from nas.study.location import storage_of
from nas.study.outcome import Outcome
from nas.study.record import Record, as_trained
from nas.study.rungs import RungScores, RungStanding, read_rung_scores
from nas.study.settings import SearchSettings
from nas.study.store import read_kept, read_records
from nas.surrogate import AccuracyEstimate

_SIDES = 4096
"""Box sides that are kept at most, evenly from all in order: enough for shares in whole percent."""

_PLAIN = (
    "budget",
    "asked",
    "fastest_ms",
    "slowest_ms",
    "ended",
    "seconds",
    "data_sizes",
    "protocol",
    "data_yaml",
    "data_file",
    "first_rung",
    "command",
)
_MAPPINGS = ("repeats", "begun", "versions", "machine")
_FINDINGS = TypeAdapter(Findings)
_STANDING = TypeAdapter(tuple[RungStanding, ...])


def conclusion_of(outcome: Outcome) -> dict[str, Any]:
    """Everything of an outcome but its trials and its comparison, as plain values for JSON.

    Args:
        outcome: The concluded search.
    """
    return {
        **{name: getattr(outcome, name) for name in _PLAIN},
        **{name: dict(getattr(outcome, name)) for name in _MAPPINGS},
        "settings": outcome.settings.to_dict(),
        "trials": len(outcome.records),
        "baseline_trials": len(outcome.baseline_records),
        "front": [_kept(one) for one in outcome.front],
        "promoted": [_kept(one) for one in outcome.promoted],
        "baselines": [_kept(one) for one in outcome.baselines],
        "class_names": list(outcome.class_names),
        "findings": asdict(_thinned(outcome.findings)),
        "source": None if outcome.source is None else outcome.source.to_dict(),
        "standing": [asdict(one) for one in outcome.standing],
        "rungs": {
            label: {str(steps): one.to_dict() for steps, one in some.items()} for label, some in outcome.rungs.items()
        },
        "lengthened": list(outcome.lengthened),
        "retrained": list(outcome.retrained),
        "gain": None if outcome.gain is None else outcome.gain.to_dict(),
    }


def read_outcome(folder: Path) -> Outcome:
    """A concluded search as its study holds it, without locking the study.

    Args:
        folder: Results folder.

    Raises:
        StudyError: There is no study, it cannot be read, or its search has not concluded.
    """
    settings, records, baselines = read_records(folder)
    kept = read_kept(storage_of(folder)).get("concluded")
    if kept is None:
        raise StudyError(
            f"the search in {folder} has not concluded, or has in an earlier version; the same `ghostnas search` "
            "command concludes it and writes its report"
        )
    settings = SearchSettings.from_dict(kept["settings"])
    rungs = read_rung_scores(kept)
    some, known = records[: kept["trials"]], baselines[: kept["baseline_trials"]]
    by_label = {one.label: one for one in [*known, *some]}
    front, promoted, of_baselines = (
        [_finalist(one, by_label, rungs) for one in kept[name]] for name in ("front", "promoted", "baselines")
    )
    outcome = Outcome(
        folder=folder,
        settings=settings,
        records=some,
        baseline_records=known,
        front=front,
        baselines=of_baselines,
        promoted=promoted,
        class_names=tuple(kept["class_names"]),
        findings=_FINDINGS.validate_python(kept["findings"]),
        source=None if kept["source"] is None else Tuned.from_dict(kept["source"]),
        standing=_STANDING.validate_python(kept["standing"]),
        rungs=rungs,
        lengthened=tuple(kept["lengthened"]),
        retrained=tuple(kept["retrained"]),
        gain=None if kept["gain"] is None else Gain.from_dict(kept["gain"]),
        **{name: kept[name] for name in (*_PLAIN, *_MAPPINGS)},
    )
    return replace(outcome, comparison=kept_comparison(outcome))


def compared_pair(outcome: Outcome) -> tuple[Finalist, Finalist | None] | None:
    """The best design and the best baseline that meets the target.

    Args:
        outcome: The search.

    Returns:
        None where nothing meets the target; None for the baseline where none meets it or it is the best itself.
    """
    best, rival = outcome.best, choose_best(outcome.baselines)
    if best is None:
        return None
    return best, None if rival is None or rival.record.label == best.record.label else rival


def yolo11_of(baselines: Sequence[Finalist], rival: Finalist | None) -> Finalist | None:
    """The YOLO11 beside which the best design is drawn: the best baseline if it is one, else the most accurate on val.

    Args:
        baselines: The baselines.
        rival: The best that meets the target.
    """
    plain = [one for one in baselines if all(s.block == "c3k2" for s in one.evaluation.architecture.stages)]
    if any(one is rival for one in plain):
        return rival
    return max(plain, key=lambda one: (one.meets_target, one.final.val.map50_95), default=None)


def compared_files(best: Finalist, rival: Finalist | None) -> tuple[str, ...]:
    """The measured files by which a comparison is known.

    Args:
        best: The best design.
        rival: The best baseline, None without one.
    """
    return tuple(one.final.file for one in (best, rival) if one is not None)


def kept_comparison(outcome: Outcome) -> Comparison | None:
    """The comparison that lies in a search's `models/`; None where it is gone or of other files.

    Args:
        outcome: The search.
    """
    pair = compared_pair(outcome)
    return None if pair is None else read_comparison(outcome.folder, compared_files(*pair))


def _thinned(findings: Findings) -> Findings:
    sides = findings.sides
    if len(sides) <= _SIDES:
        return findings
    places = np.linspace(0, len(sides) - 1, _SIDES).round().astype(int)
    return replace(findings, sides=tuple(float(side) for side in np.sort(sides)[places]))


def _kept(finalist: Finalist) -> dict[str, Any]:
    final = finalist.final
    return {
        "label": finalist.record.label,
        # The raw runs are kept elsewhere, and a report has no use for them.
        "final": replace(final, latency=replace(final.latency, samples=())).to_dict(),
        "meets_target": finalist.meets_target,
        "accuracy": finalist.accuracy,
        "estimate": None if finalist.estimate is None else asdict(finalist.estimate),
        "seeds": finalist.seeds,
    }


def _finalist(kept: dict[str, Any], records: Mapping[str, Record], rungs: RungScores) -> Finalist:
    label, estimate = kept["label"], kept["estimate"]
    return Finalist(
        as_trained(records[label]),
        FinalMeasurement.from_dict(kept["final"]),
        kept["meets_target"],
        kept["accuracy"],
        None if estimate is None else AccuracyEstimate(**estimate),
        kept["seeds"],
        rungs.get(label, {}),
    )
