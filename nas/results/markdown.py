"""The report of a search as Markdown."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from nas.latency import BOARDS, COMPARED_ON, FLOAT32_TOLERANCE, SPREAD, prepared_name
from nas.results import finalists_table
from nas.results.gain_sentences import gain_sentence, next_commands, val_is
from nas.results.proxy_quality import quality_sentences
from nas.results.rung_sentences import asked_line, longest_column, ranking_sentences
from nas.study import Estimates, Outcome, SearchSettings
from nas.util.printable import printable

BOARDS_APART = 0.03
"""Share by which boards may be apart before the report flags it."""

WORST_LOSS = 0.01
"""mAP50-95 that a precision may cost before the report flags it."""


def report(outcome: Outcome, known: Estimates | None = None) -> str:
    """The text of `report.md`.

    Args:
        outcome: The search.
        known: What all scores say; None to learn it here.
    """
    s = outcome.settings
    said = notes(outcome)
    lines = [
        f"# {printable(outcome.folder.name)}",
        "",
        state(outcome),
        "",
        "## Asked",
        "",
        *asked(outcome),
        "",
        "## Found",
        "",
        reach(outcome),
        "",
        *_table(outcome),
        "",
        legend(outcome),
        *(["", *said] if said else []),
        "",
        "![front](front.png)",
        "",
        "## Gained",
        "",
        gain_sentence(outcome, known),
        "",
        "## How far to trust the order",
        "",
        *ranking_sentences(outcome.proxy_scores, outcome.proxy_steps, outcome.rungs),
        *(["", "![rungs](rungs.png)", ""] if outcome.rungs else []),
        *quality_sentences(s, outcome.proxy_steps),
        "",
        "## Where the numbers come from",
        "",
        *origin(outcome),
        "",
        "## Next",
        "",
        *(f"    {line}" for line in next_commands(outcome)),
        "",
        *(["`ghostnas train` goes on from `best.pt`; with `--from-scratch` it does not.", ""] if outcome.best else []),
    ]
    return "\n".join(lines)


def asked(outcome: Outcome) -> list[str]:
    """What was asked of a search, a Markdown list of one level or two."""
    s = outcome.settings
    sizes = ", ".join(f"{count} {part}" for part, count in outcome.data_sizes.items())
    return [
        f"- space {s.space.space}, input sizes {', '.join(map(str, s.space.imgsz))} px"
        + (f", chosen for the target: {s.space.chosen}" if s.space.chosen else ""),
        f"- data {printable(s.data.data)} ({s.data.classes} classes; pictures: {sizes}; fraction of train "
        f"{s.data.fraction:g}; digest {s.data.data_digest})",
        *(f"  - {printable(sentence)}" for sentence in outcome.findings.sentences(s.space.imgsz)),
        f"- target {s.limits.target_ms:g} ms{_limits(s)}",
        f"- latency: {s.latency.conditions}",
        f"- proxy: {outcome.proxy_steps} steps of {s.proxy.batch} pictures {s.beginning} on {s.proxy.train_device}, "
        f"seed {s.proxy.seed}; losses {s.proxy.class_loss} and {s.proxy.box_loss}"
        f"{'; began with the literals' if s.start.seed_literals else ''}",
        *(f"  - {why}" for why in outcome.lengthened),
        *([] if outcome.source is None else [f"- source: {s.start.source}, {outcome.source.sentence}"]),
        *([asked_line(s.proxy.rungs)] if s.proxy.rungs else []),
        f"- sampler {s.sampler}, seed {s.proxy.seed}",
    ]


def state(outcome: Outcome) -> str:
    """How a search ended, in one sentence or two."""
    ended = "finished" if outcome.ended == "budget" else f"ended early: {outcome.ended}"
    return (
        f"Search {ended}. {outcome.count('trained')} of {outcome.budget} candidates trained, "
        f"{outcome.count('rejected')} rejected by the limits, {outcome.count('failed')} failed.{_fewer(outcome)}"
    )


def legend(outcome: Outcome) -> str:
    """What the columns of `table` mean, in Markdown."""
    s = outcome.settings
    seeds = "" if s.proxy.rungs else "; `seeds` are its own"
    longer = longest_column(s.proxy.rungs[-1]) if s.proxy.rungs else ""
    return (
        "`*` marks `best.yaml`. `select` is mAP50-95 on the part of train on which candidates were compared, estimated "
        f"from the scores of all designs together (a Gaussian process{seeds}), with its 95% interval; "
        f"`val` is the data set's own val{val_is(outcome)}; it is looked at once, after the search, by the exported "
        "file that was timed, in its runtime and precision. Latencies of this table were measured in "
        f"{_processes(s)}; `meets` means that the upper end of the 95% interval is at or under the target and that "
        "every other limit holds; `?` stands "
        "where the device was too disturbed for fresh processes, and the latency is the search's screening."
        f"{_boards(outcome)}{longer}{_trained_files(outcome)}"
    )


def reach(outcome: Outcome) -> str:
    """What the space can do on the device, and what the limits rejected."""
    rejected, drawn = outcome.random_share_rejected()
    share = f"{rejected} of {drawn} random candidates ({100 * rejected / drawn:.0f}%)" if drawn else "none drawn"
    return (
        f"The space reaches from {outcome.fastest_ms:.2f} ms to {outcome.slowest_ms:.2f} ms. "
        f"The limits rejected {share}.{_limit_used(outcome)}"
    )


def table(outcome: Outcome) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows of front, last rung and baselines side by side, as text."""
    rungs = bool(outcome.standing)
    found = finalists_table.rows(outcome.front, outcome.promoted, outcome.baselines, outcome.best, rungs=rungs)
    return finalists_table.header(rungs=rungs), found


def _fewer(outcome: Outcome) -> str:
    if outcome.asked in (None, outcome.budget):
        return ""
    return f" {outcome.asked} were asked for; --max-time left room for {outcome.budget} with their rungs."


def _limit_used(outcome: Outcome) -> str:
    used = outcome.limit_used()
    if not used:
        return ""
    return (
        f" The {len(used)} trained candidates that were proposed for accuracy take {median(used):.2f} of the limit "
        f"that binds first in the median ({min(used):.2f} to {max(used):.2f})."
    )


def _table(outcome: Outcome) -> list[str]:
    header, found = table(outcome)
    return ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *found)]


def _trained_files(outcome: Outcome) -> str:
    """What is there of the best design besides its YAML."""
    if outcome.best is None:
        return ""
    measured = prepared_name("best", outcome.settings.latency)
    return (
        f" `best.pt` is the trained best design, a checkpoint of Ultralytics; `{measured}` is the file whose latency "
        "and `val` stand in the table."
    )


def _boards(outcome: Outcome) -> str:
    """On how many boards the finalists were measured, and how far these are apart."""
    found = [f.final.latency.conditions for f in outcome.finalists if BOARDS in f.final.latency.conditions]
    if not found:
        return ""
    least, asked = min(one[BOARDS] for one in found), len(outcome.settings.latency.places)
    lost = f"; **one of the finalists on {least:.0f} only, the others were lost**" if least < asked else ""
    apart = max(one[SPREAD] for one in found) - 1
    told = "**" if apart > BOARDS_APART else ""
    return (
        f" Every finalist was measured on {asked} boards, and the slowest decides{lost}. They are up to "
        f"{told}{100 * apart:.1f}% apart{told}."
    )


def notes(outcome: Outcome) -> list[str]:
    """What is to be said of finalists and of baselines that failed, a Markdown list.

    Where the measured precision is not float32, what it costs (more than a point is flagged); and how far outputs of
    the measured files are from torch's.
    """
    found = []
    for finalist in outcome.finalists:
        lost = finalist.final.precision_lost
        if lost is not None:
            flag = ": **more than a point**" if lost > WORST_LOSS else ""
            found.append(
                f"- {finalist.record.label}: {outcome.settings.latency.precision} costs {100 * lost:+.1f} points of "
                f"mAP50-95 on val{flag}"
            )
    for finalist in outcome.finalists:
        if outcome.settings.latency.precision == "float32" and finalist.final.difference > FLOAT32_TOLERANCE:
            found.append(
                f"- {finalist.record.label}: **the timed file's outputs differ from torch's by "
                f"{finalist.final.difference:.2g}**, more than {FLOAT32_TOLERANCE:g}"
            )
    worst = max((f.final.difference for f in outcome.finalists), default=None)
    if worst is not None:
        found.append(
            f"- outputs of the timed files differ from float32 torch's by at most {worst:.2g} (relative, {COMPARED_ON} "
            "pictures of val)"
        )
    failed = [one for one in outcome.baseline_records if one.status == "failed"]
    return [*(f"- baseline {one.label} failed: {printable(one.reason)}" for one in failed), *found]


def _processes(s: SearchSettings) -> str:
    return "three fresh processes" if s.latency.statistic == "quiet" else "one fresh process each"


def _limits(s: SearchSettings) -> str:
    limits = {"parameters": s.limits.max_params, "GFLOPs": s.limits.max_gflops, "bytes of ONNX": s.limits.max_bytes}
    return "".join(f", at most {value:g} {name}" for name, value in limits.items() if value is not None)


def origin(outcome: Outcome) -> list[str]:
    """What the numbers were made on and with, a Markdown list; where the last part differs, that too."""
    begun = outcome.begun
    lines = [
        f"- latencies: {begun['device']}; {begun['runtime']}",
        f"- proxies: in {begun['arithmetic']}; {_machine(begun['machine'])}; {_listed(begun['versions'])}",
    ]
    if changed := {name: now for name, now in outcome.versions.items() if begun["versions"].get(name) != now}:
        lines.append(f"- this part of the search: {_listed(changed)}")
    if outcome.machine != begun["machine"]:
        lines.append(f"- this part of the search: {_machine(outcome.machine)}")
    return [
        *lines,
        *_retrained(outcome.retrained),
        f"- {counting_rule(outcome)}",
        f"- this part of the search took {outcome.seconds / 60:.1f} min; command: `{outcome.command}`",
    ]


def _retrained(names: Sequence[str]) -> list[str]:
    """What was trained twice, because its weights had stayed elsewhere."""
    if not names:
        return []
    return [
        f"- weights that were not in the results folder and were trained again: {', '.join(names)}. Their scores on "
        "`select` are of the first training; latency, `val` and checkpoints are of the second"
    ]


def _machine(found: Mapping[str, Any]) -> str:
    return f"{found['processor']}, {found['cores']} cores, {found['system']}"


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def counting_rule(outcome: Outcome) -> str:
    evaluations = [r.evaluation for r in [*outcome.baseline_records, *outcome.records] if r.evaluation]
    return f"GFLOPs: {evaluations[0].counting_rule}" if evaluations else "GFLOPs: nothing was counted"
