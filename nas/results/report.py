"""What a search leaves in its results folder: tables, picture, report, provenance and the YAMLs."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.results import finalists_table
from nas.search.remeasure import COMPARED_ON
from nas.data.findings import Findings
from nas.study.accuracy import Estimates, Repeats, estimates
from nas.search.conclude import Finalist, choose_best
from nas.export.formats import FLOAT32_TOLERANCE
from nas.inherit.values import Tuned
from nas.results.last_rung import asked_line, gained_at_last_rung, last_column, last_rung_provenance
from nas.latency.types import in_words
from nas.results.plot import draw_front
from nas.util.printable import printable, shell_word
from nas.search.promotions import Standing
from nas.util.provenance import command, machine, versions
from nas.results.proxy_quality import told
from nas.study.settings import SearchSettings
from nas.study.store import Record
from nas.results.tables import (
    BASELINE_HEADER,
    FRONT_HEADER,
    LAST_RUNG_HEADER,
    TRIALS_HEADER,
    baseline_rows,
    front_rows,
    last_rung_rows,
    trial_rows,
    write_csv,
)
from nas.architecture.to_yaml import to_yaml


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished, or interrupted, search.

    Attributes:
        folder: Results folder.
        settings: What was asked.
        budget: Candidates asked for.
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
        findings: What is to be said of the data.
        promoted: The finalists of the last rung that are candidates and not on the front.
        source: What the candidates inherit from, None from scratch.
        standing: Where the last rung stands; None where the search has none.
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
    findings: Findings
    promoted: Sequence[Finalist] = ()
    source: Tuned | None = None
    standing: Standing | None = None

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
        return estimates([*self.baseline_records, *self.records], self.repeats)

    def count(self, status: str) -> int:
        """Candidates with a status."""
        return sum(r.status == status for r in self.records)

    def random_share_rejected(self) -> tuple[int, int]:
        """(rejected, all) of the candidates that were drawn at random."""
        drawn = [r for r in self.records if r.origin == "random" and r.status in ("trained", "rejected")]
        return sum(r.status == "rejected" for r in drawn), len(drawn)


def write(outcome: Outcome) -> None:
    """Write every file of the results folder except the study itself.

    `best.yaml` is absent when nothing meets the target.
    """
    folder, settings = outcome.folder, outcome.settings
    chosen = folder / "front"
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir()
    for finalist in outcome.finalists:
        (chosen / f"{finalist.record.label}.yaml").write_text(_yaml(outcome, finalist), encoding="utf-8")
    best = outcome.best
    (folder / "best.yaml").unlink(missing_ok=True)
    if best is not None:
        (folder / "best.yaml").write_text(_yaml(outcome, best), encoding="utf-8")
    every = [*outcome.baseline_records, *outcome.records]
    known = outcome.known
    last = {finalist.record.label: finalist.last for finalist in outcome.finalists}
    write_csv(folder / "trials.csv", trial_rows(every, known, last), TRIALS_HEADER)
    write_csv(folder / "front.csv", front_rows(outcome.front), FRONT_HEADER)
    write_csv(folder / "baselines.csv", baseline_rows(outcome.baselines), BASELINE_HEADER)
    if outcome.standing is not None:
        write_csv(folder / "last_rung.csv", last_rung_rows(outcome.finalists), LAST_RUNG_HEADER)
    title = f"{settings.space} on {settings.data}: {settings.runtime}, {settings.threads} thread(s), {settings.device}"
    draw_front(
        folder / "front.png", title, settings.target_ms, outcome.records, known, outcome.front, outcome.baselines
    )
    (folder / "run.json").write_text(json.dumps(_provenance(outcome), indent=2) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(report(outcome), encoding="utf-8", errors="backslashreplace")


def _yaml(outcome: Outcome, finalist: Finalist) -> str:
    return to_yaml(finalist.evaluation.architecture, outcome.settings.classes)


def gain_sentence(outcome: Outcome) -> str:
    """What the search gained over the best baseline that meets the target, in one honest paragraph."""
    return f"{_gained(outcome)}{_unconfirmed(outcome)}"


def _gained(outcome: Outcome) -> str:
    best = outcome.best
    if best is None:
        return "Nothing that was trained meets the target in a fresh process; there is no best.yaml."
    if outcome.standing is not None:
        steps = outcome.settings.last_rung or 0
        now, val = outcome.standing, _val_is(outcome)
        return gained_at_last_rung(best, outcome.baselines, outcome.candidates, now, steps, val)
    rivals = [b for b in outcome.baselines if b.meets_target]
    if best.record.baseline:
        return (
            f"No candidate beats the baseline {best.record.label} ({_estimated(best)} mAP50-95 on the selection "
            f"part): best.yaml *is* that baseline. The search gained nothing at this budget.{_ties(outcome, best)}"
        )
    if not rivals:
        return (
            f"best.yaml is {best.record.label}. No baseline meets the target, so there is none to compare with at "
            f"this latency.{_ties(outcome, best)}"
        )
    rival = max(rivals, key=lambda f: f.accuracy)
    gained = best.accuracy - rival.accuracy
    on_val = best.final.val.map50_95 - rival.final.val.map50_95
    confirmed = (
        f"On val{_val_is(outcome)}, the difference is {on_val:+.3f}."
        if on_val > 0
        else f"On val{_val_is(outcome)}, the baseline is level or ahead ({on_val:+.3f}): the gain is not confirmed."
    )
    return (
        f"best.yaml is {best.record.label}: {gained:+.3f} mAP50-95 on the selection part against {rival.record.label}, "
        f"the best baseline that meets the target ({_estimated(best)} against {_estimated(rival)}), at "
        f"{best.final.latency.latency_ms:.2f} ms against {rival.final.latency.latency_ms:.2f} ms. "
        f"{confirmed}{_ties(outcome, best)}"
    )


def _val_is(outcome: Outcome) -> str:
    """What may be said of val: candidates are chosen on a part of train, in which it may have pictures."""
    shared = outcome.findings.shared("val", "train")
    if shared is None:
        return ", which chose nothing"
    return f", of which {shared.files + shared.contents} of {shared.of} pictures are in train as well"


def _unconfirmed(outcome: Outcome) -> str:
    """Which finalists have the search's own latency only, and what to do about it."""
    labels = [f.record.label for f in outcome.finalists if not f.final.confirmed]
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


def _ties(outcome: Outcome, best: Finalist) -> str:
    """Which designs cannot be told apart from the best."""
    if len({score for mine in outcome.known.scores.values() for score in mine}) == 1:
        return " All scores are the same: these proxies tell no design from another. Train longer ones (--steps)."
    if best.estimate is None:
        return " That is too few scores to learn from together: differences of one or two points are noise."
    label, known = best.record.label, outcome.known
    others = [f.record.label for f in outcome.finalists if f.meets_target and f is not best]
    if not others:
        return " No other finalist meets the target."
    same = [other for other in others if not known.apart(label, other)]
    if not same:
        return " All other finalists that meet the target differ from it by more than these proxies' noise."
    return f" These proxies cannot tell it apart from {', '.join(same)}: the 95% interval of the difference holds zero."


def report(outcome: Outcome) -> str:
    """The text of `report.md`."""
    s = outcome.settings
    rejected, drawn = outcome.random_share_rejected()
    share = f"{rejected} of {drawn} random candidates ({100 * rejected / drawn:.0f}%)" if drawn else "none drawn"
    sizes = ", ".join(f"{count} {part}" for part, count in outcome.data_sizes.items())
    asked = "finished" if outcome.ended == "budget" else f"ended early: {outcome.ended}"
    seeds = "; `seeds` are its own" if s.last_rung is None else ""
    last = "" if s.last_rung is None else last_column(s.last_rung)
    failed_baselines = [r for r in outcome.baseline_records if r.status == "failed"]
    lines = [
        f"# {printable(outcome.folder.name)}",
        "",
        f"Search {asked}. {outcome.count('trained')} of {outcome.budget} candidates trained, "
        f"{outcome.count('rejected')} rejected by the gate, {outcome.count('failed')} failed.",
        "",
        "## Asked",
        "",
        f"- space {s.space}, input sizes {', '.join(map(str, s.imgsz))} px",
        f"- data {printable(s.data)} ({s.classes} classes; pictures: {sizes}; fraction of train {s.fraction:g}; digest "
        f"{s.data_digest})",
        *(f"  - {printable(sentence)}" for sentence in outcome.findings.sentences()),
        f"- target {s.target_ms:g} ms{_limits(s)}",
        f"- latency: {s.runtime}, {s.precision}, {s.threads} thread(s), batch 1, on {s.place} {s.device}, scope "
        f"{s.scope}, {in_words(s.statistic, s.sustained_s)}",
        f"- proxy: {s.steps} steps of {s.batch} pictures {s.beginning} on {s.train_device}, seed {s.seed}; "
        f"losses {s.class_loss} and {s.box_loss}{'; began with the literals' if s.seed_literals else ''}",
        *([] if outcome.source is None else [f"- source: {s.source}, {outcome.source.sentence}"]),
        *([] if s.last_rung is None else [asked_line(s.last_rung)]),
        f"- sampler {s.sampler}, seed {s.seed}",
        "",
        "## Found",
        "",
        f"The space reaches from {outcome.fastest_ms:.2f} ms to {outcome.slowest_ms:.2f} ms. "
        f"The gate rejected {share}.",
        "",
        *_table(outcome),
        "",
        "\\* is `best.yaml`. `select` is mAP50-95 on the part of *train* on which candidates were compared, estimated "
        f"from the scores of all designs together (a Gaussian process{seeds}), with its 95% interval; "
        f"`val` is the data set's own val{_val_is(outcome)}; it is looked at once, after the search, by the exported "
        "file that was timed, in its runtime and precision. Latencies of this table were measured in "
        f"{_processes(s)}; `meets` means that the upper end of the 95% interval is at or under the target and that "
        "every other limit holds; `?` stands "
        "where the device was too disturbed for fresh processes, and the latency is the search's screening."
        f"{last}",
        *_precision_notes(outcome),
        *(f"\nBaseline {r.label} failed: {r.reason}" for r in failed_baselines),
        "",
        "![front](front.png)",
        "",
        "## Gained",
        "",
        gain_sentence(outcome),
        "",
        "## How far to trust the order",
        "",
        *told(s),
        "",
        "## Where the numbers come from",
        "",
        *_origin(outcome.begun),
        f"- {_counting_rule(outcome)}",
        f"- this part of the search took {outcome.seconds / 60:.1f} min; command: `{command()}`",
        "",
        "## Next",
        "",
        *(f"    {line}" for line in next_commands(outcome)),
        "",
    ]
    return "\n".join(lines)


def next_commands(outcome: Outcome) -> list[str]:
    """The commands that follow a search, ready for a shell; without a best design none that needs it."""
    folder = outcome.folder
    named = folder.parent == Path("results") and not folder.name.startswith("-")
    name = shell_word(
        folder.name if named else os.path.join(".", folder) if str(folder).startswith("-") else str(folder)
    )
    begins = "" if outcome.source is None else f" --from {shell_word(str(outcome.source.checkpoint))}"
    with_the_best = [f"ghostnas train {name}{begins} epochs=100", f"ghostnas export {name} --to bundle"]
    return [*(with_the_best if outcome.best else []), f"ghostnas dashboard {name}"]


def table(outcome: Outcome) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows of front, last rung and baselines side by side, as text."""
    last_rung = outcome.standing is not None
    found = finalists_table.rows(outcome.front, outcome.promoted, outcome.baselines, outcome.best, last_rung=last_rung)
    return finalists_table.header(last_rung=last_rung), found


WORST_LOSS = 0.01
"""mAP50-95 that a precision may cost before the report flags it."""


def _table(outcome: Outcome) -> list[str]:
    header, found = table(outcome)
    return ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *found)]


def _precision_notes(outcome: Outcome) -> list[str]:
    """What the measured precision costs, where it is not float32 (more than a point is flagged), and the difference."""
    notes = []
    for finalist in outcome.finalists:
        lost = finalist.final.precision_lost
        if lost is not None:
            flag = ": **more than a point**" if lost > WORST_LOSS else ""
            notes.append(
                f"- {finalist.record.label}: {outcome.settings.precision} costs {100 * lost:+.1f} points of mAP50-95 "
                f"on val{flag}"
            )
    for finalist in outcome.finalists:
        if outcome.settings.precision == "float32" and finalist.final.difference > FLOAT32_TOLERANCE:
            notes.append(
                f"- {finalist.record.label}: **the timed file's outputs differ from torch's by "
                f"{finalist.final.difference:.2g}**, more than {FLOAT32_TOLERANCE:g}"
            )
    worst = max((f.final.difference for f in outcome.finalists), default=None)
    if worst is not None:
        notes.append(
            f"- outputs of the timed files differ from float32 torch's by at most {worst:.2g} (relative, {COMPARED_ON} "
            "pictures of val)"
        )
    return ["", *notes] if notes else []


def _processes(s: SearchSettings) -> str:
    return "three fresh processes" if s.statistic == "quiet" else "one fresh process each"


def _limits(s: SearchSettings) -> str:
    limits = {"parameters": s.max_params, "GFLOPs": s.max_gflops, "bytes of ONNX": s.max_bytes}
    return "".join(f", at most {value:g} {name}" for name, value in limits.items() if value is not None)


def _origin(begun: Mapping[str, Any]) -> list[str]:
    """What the numbers were made on and with; the versions and the machine of this call where they are others."""
    lines = [
        f"- latencies: {begun['device']}; {begun['runtime']}",
        f"- proxies: in {begun['arithmetic']}; {_machine(begun['machine'])}; {_listed(begun['versions'])}",
    ]
    if changed := {name: now for name, now in versions().items() if begun["versions"].get(name) != now}:
        lines.append(f"- this part of the search: {_listed(changed)}")
    if (here := machine()) != begun["machine"]:
        lines.append(f"- this part of the search: {_machine(here)}")
    return lines


def _machine(found: Mapping[str, Any]) -> str:
    return f"{found['processor']}, {found['cores']} cores, {found['system']}"


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _counting_rule(outcome: Outcome) -> str:
    evaluations = [r.evaluation for r in [*outcome.baseline_records, *outcome.records] if r.evaluation]
    return f"GFLOPs: {evaluations[0].counting_rule}" if evaluations else "GFLOPs: nothing was counted"


def _provenance(outcome: Outcome) -> dict[str, Any]:
    best = outcome.best
    return {
        "name": outcome.folder.name,
        "settings": outcome.settings.to_dict(),
        "digest": outcome.settings.digest,
        "budget": outcome.budget,
        "ended": outcome.ended,
        "trained": outcome.count("trained"),
        "rejected": outcome.count("rejected"),
        "failed": outcome.count("failed"),
        "best": None if best is None else best.record.label,
        "space_fastest_ms": outcome.fastest_ms,
        "space_slowest_ms": outcome.slowest_ms,
        "batch": 1,
        "scope": outcome.settings.scope,
        "statistic": outcome.settings.statistic,
        "data_yaml": outcome.data_yaml,
        "data_pictures": outcome.data_sizes,
        "data_findings": outcome.findings.sentences(),
        "proxy": outcome.protocol,
        "source": None if outcome.source is None else outcome.source.to_dict(),
        "repeats": outcome.repeats,
        **_promotion(outcome),
        "counting_rule": _counting_rule(outcome),
        **outcome.begun,
        "command": command(),
        "seconds": round(outcome.seconds, 1),
    }


def _promotion(outcome: Outcome) -> dict[str, Any]:
    return {} if outcome.standing is None else {"last_rung": last_rung_provenance(outcome.finalists, outcome.standing)}
