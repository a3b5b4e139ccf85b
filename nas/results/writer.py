"""What a search leaves in its results folder to be read: tables, picture, report, provenance and the YAMLs."""

import json
import shutil
from typing import Any

from nas.architecture import to_yaml
from nas.results.folder import BEST_FILE, FRONT, HANDED_OVER
from nas.results.markdown import counting_rule
from nas.results.plot import draw_front
from nas.results.plot_rungs import draw_rungs
from nas.results.reports import write_reports
from nas.results.rung_sentences import rung_provenance
from nas.results.tables import (
    BASELINE_HEADER,
    FRONT_HEADER,
    RUNGS_HEADER,
    TRIALS_HEADER,
    baseline_rows,
    front_rows,
    promoted_rows,
    rung_rows,
    trial_rows,
    write_csv,
)
from nas.study import Finalist, Outcome


def write(outcome: Outcome) -> None:
    """Write the results folder, except the study itself and what is handed over trained (`hand_over`).

    `best.yaml` is absent when nothing meets the target. What was handed over of an earlier outcome is removed.
    """
    folder, settings = outcome.folder, outcome.settings
    for name in HANDED_OVER:
        (folder / name).unlink(missing_ok=True)
    chosen = folder / FRONT
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir()
    for finalist in outcome.finalists:
        (chosen / f"{finalist.record.label}.yaml").write_text(_yaml(outcome, finalist), encoding="utf-8")
    best = outcome.best
    (folder / BEST_FILE).unlink(missing_ok=True)
    if best is not None:
        (folder / BEST_FILE).write_text(_yaml(outcome, best), encoding="utf-8")
    every = [*outcome.baseline_records, *outcome.records]
    known = outcome.known
    write_csv(folder / "trials.csv", trial_rows(every, known, outcome.rungs), TRIALS_HEADER)
    write_csv(folder / "front.csv", front_rows(outcome.front), FRONT_HEADER)
    write_csv(folder / "baselines.csv", baseline_rows(outcome.baselines), BASELINE_HEADER)
    if steps := settings.proxy.rungs:
        write_csv(folder / "promoted.csv", promoted_rows(outcome.finalists, steps[-1]), FRONT_HEADER)
        write_csv(folder / "rungs.csv", rung_rows(outcome.rungs), RUNGS_HEADER)
    if outcome.rungs:
        draw_rungs(folder / "rungs.png", outcome.proxy_scores, outcome.proxy_steps, outcome.rungs, best)
    how = settings.latency
    what = f"{settings.space.space} on {settings.data.data}"
    title = f"{what}: {how.runtime}, {how.threads} thread(s), {how.device}"
    draw_front(
        folder / "front.png", title, settings.limits.target_ms, outcome.records, known, outcome.front, outcome.baselines
    )
    (folder / "run.json").write_text(json.dumps(_provenance(outcome), indent=2) + "\n", encoding="utf-8")
    write_reports(outcome, known)


def _yaml(outcome: Outcome, finalist: Finalist) -> str:
    return to_yaml(finalist.evaluation.architecture, outcome.settings.data.classes)


def _provenance(outcome: Outcome) -> dict[str, Any]:
    best = outcome.best
    return {
        "name": outcome.folder.name,
        "settings": outcome.settings.to_dict(),
        "digest": outcome.settings.digest,
        "budget": outcome.budget,
        "asked": outcome.asked or outcome.budget,
        "ended": outcome.ended,
        "trained": outcome.count("trained"),
        "rejected": outcome.count("rejected"),
        "failed": outcome.count("failed"),
        "best": None if best is None else best.record.label,
        "space_fastest_ms": outcome.fastest_ms,
        "space_slowest_ms": outcome.slowest_ms,
        "batch": 1,
        "scope": outcome.settings.latency.scope,
        "statistic": outcome.settings.latency.statistic,
        "data_yaml": outcome.data_yaml,
        "data_pictures": outcome.data_sizes,
        "data_findings": outcome.findings.sentences(outcome.settings.space.imgsz),
        "proxy": outcome.protocol,
        "source": None if outcome.source is None else outcome.source.to_dict(),
        "repeats": outcome.repeats,
        "retrained": list(outcome.retrained),
        "rungs": rung_provenance(outcome.standing, outcome.rungs),
        "gain": None if outcome.gain is None else outcome.gain.to_dict(),
        "counting_rule": counting_rule(outcome),
        **outcome.begun,
        "command": outcome.command,
        "seconds": round(outcome.seconds, 1),
    }
