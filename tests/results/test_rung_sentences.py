"""What is claimed after a last rung: which design is best, what it gained, and of which weights the numbers are."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nas.cli.search_progress import ConsoleReporter
from nas.data.findings import Findings
from nas.export.bundle import readme
from nas.proxy import Score
from nas.results.designs import find_design
from nas.results.markdown import report
from nas.results.rung_sentences import gained_at_last_rung
from nas.results.writer import write
from nas.search.conclude import FinalMeasurement, conclude
from nas.search.effort import Rung
from nas.search.evaluate import Task
from nas.search.executors import inline
from nas.search.proposals import Proposer
from nas.search.rung_state import standing
from nas.search.scheduler import TrialScheduler
from nas.search.shortlists import kind
from nas.space.reference_designs import yolo11
from nas.space.space import SearchSpace
from nas.study.accuracy import estimates
from nas.study.finalists import Finalist, choose_best
from nas.study.gain import Gain
from nas.study.outcome import Outcome
from nas.study.record import Record, TrainedRecord, as_trained
from nas.study.rungs import RungScore, RungStanding, rung_scores
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy
from nas.util.provenance import host_machine, versions
from tests.search.conftest import BASELINES, BUDGET, Open, changed, formula

STEPS = 1200
RUNGS = (Rung(STEPS, 3),)


def finalist(
    task: Task, label: str, proxy: float, last: float | None = None, *, ms: float = 1.0, meets: bool = True
) -> Finalist:
    """A finalist by table; its score on val is a tenth below the one of its longest training."""
    evaluation = formula(yolo11("n", 96, 0.25), task, label, always_train=True)
    baseline = not label.startswith("trial")
    evaluation = replace(evaluation, score=Score(proxy, 0.5))
    record = as_trained(Record(0, label, baseline, "trained", label, {}, "", evaluation, None, None))
    latency = replace(evaluation.latency, latency_ms=ms, level="finalist")
    final = FinalMeasurement(latency, Score((proxy if last is None else last) - 0.1, 0.5), None, 0.0, "digest")
    rungs = {} if last is None else {STEPS: RungScore(Score(last, 0.6), STEPS, 9.0, 0.006)}
    return Finalist(record, final, meets, proxy, None, 1, rungs)


ALL = RungStanding(STEPS, ("trial-1", "trial-2", "source-96"), (), {}, decided=True)
PART = RungStanding(STEPS, ("trial-1", "trial-2", "source-96"), ("source-96",), {}, decided=True)
UNDECIDED = RungStanding(STEPS, (), (), {}, decided=False)
FAILED = RungStanding(STEPS, ("trial-1", "source-96"), (), {"trial-3": "ProxyError: diverged"}, decided=True)

Rows = Sequence[tuple[str, float, float | None, float, bool]]

# label, the proxies' estimate, score of the last rung, ms, meets the target
CASES: list[tuple[Rows, RungStanding, str | None, list[str], list[str]]] = [
    (  # the last rung decides, not the proxies
        [("trial-1", 0.5, 0.6, 1.0, True), ("trial-2", 0.4, 0.7, 1.2, True), ("source-96", 0.9, 0.65, 1.4, True)],
        ALL,
        "trial-2",
        [
            "best.yaml is trial-2: 0.700 mAP50-95 on the selection part after 1,200 steps at rate 0.006, +0.050 "
            "against source-96, the best baseline that meets the target (0.650 mAP50-95 on the selection part after "
            "1,200 steps at rate 0.006), at 1.20 ms against 1.40 ms.",
            "On val, which chose nothing, it has 0.600 and the baseline 0.550: a gain of +0.050.",
            "differences of one or two points are noise",
        ],
        ["Failed", "finished"],
    ),
    (  # the better of two baselines is the one to beat
        [
            ("trial-1", 0.5, 0.7, 1.0, True),
            ("source-96", 0.9, 0.5, 1.0, True),
            ("narrowed-96-0.5", 0.1, 0.69, 1.0, True),
        ],
        FAILED,
        "trial-1",
        ["+0.010 against narrowed-96-0.5", "Failed: trial-3 at 1,200 steps (ProxyError: diverged)."],
        [],
    ),
    (  # one that misses the target in a fresh process is not the best, and not the baseline to beat
        [
            ("trial-1", 0.5, 0.9, 1.0, False),
            ("trial-2", 0.5, 0.6, 1.0, True),
            ("source-96", 0.9, 0.8, 1.0, False),
            ("narrowed-96-0.5", 0.1, 0.5, 1.0, True),
        ],
        ALL,
        "trial-2",
        ["+0.100 against narrowed-96-0.5"],
        [],
    ),
    (  # a baseline that was not trained as long is no rival, however high its proxy
        [
            ("trial-1", 0.5, 0.6, 1.0, True),
            ("source-96", 0.9, 0.7, 1.0, False),
            ("source-64", 0.8, None, 1.0, True),
        ],
        ALL,
        "trial-1",
        ["No baseline that meets the target was trained as long", "no gain is claimed"],
        ["against", "On val"],
    ),
    (  # a baseline is ahead
        [("trial-1", 0.9, 0.6, 1.0, True), ("source-96", 0.1, 0.65, 1.0, True)],
        ALL,
        "source-96",
        [
            "No candidate beats the baseline source-96 at the last rung (0.650 mAP50-95",
            "the best candidate, trial-1, has 0.600): best.yaml is that baseline. The search gained nothing",
        ],
        ["On val"],
    ),
    (  # level: the faster one
        [("source-96", 0.1, 0.65, 1.0, True), ("trial-1", 0.9, 0.65, 0.9, True)],
        ALL,
        "trial-1",
        ["+0.000 against source-96", "the baseline is level or ahead (+0.000), and the gain is not confirmed."],
        [],
    ),
    (  # nothing of the last rung meets the target: as without one, and no claim
        [("trial-1", 0.5, 0.9, 1.0, False), ("trial-4", 0.3, None, 1.0, True), ("source-64", 0.2, None, 1.0, True)],
        ALL,
        "trial-4",
        ["No design of the last rung meets the target in a fresh process. best.yaml is trial-4", "no gain is claimed"],
        ["against", "On val"],
    ),
    (  # not finished: no claim, even where two could be compared
        [("trial-1", 0.5, 0.7, 1.0, True), ("narrowed-96-0.5", 0.4, 0.6, 1.0, True)],
        PART,
        "trial-1",
        [
            "the most accurate at the last rung so far (0.700 mAP50-95",
            "The rungs are not finished (2 of 3 trained for 1,200 steps, source-96 missing); the same command goes on "
            "with them.",
            "No gain is claimed before.",
        ],
        ["against", "On val"],
    ),
    (  # ended while candidates were trained
        [("trial-1", 0.5, None, 1.0, True), ("source-96", 0.4, None, 1.0, True)],
        UNDECIDED,
        "trial-1",
        ["best.yaml is trial-1, the most accurate so far. The last rung begins when all trials have ended"],
        ["against", "On val"],
    ),
    (  # nothing could be trained there
        [("trial-1", 0.5, None, 1.0, True)],
        replace(FAILED, promoted=()),
        "trial-1",
        [
            "No design was trained for 1,200 steps. best.yaml is trial-1, the most accurate by shorter trainings: no "
            "gain is claimed."
        ],
        [],
    ),
    ([("trial-1", 0.5, 0.9, 1.0, False)], ALL, None, [], []),
]


@pytest.mark.parametrize(("rows", "now", "best", "says", "not_said"), CASES)
def test_the_winner_and_what_is_said_of_it(
    task: Task, rows: Rows, now: RungStanding, best: str | None, says: list[str], not_said: list[str]
) -> None:
    made = [finalist(task, label, proxy, last, ms=ms, meets=meets) for label, proxy, last, ms, meets in rows]
    baselines = [one for one in made if one.record.baseline]
    candidates = [one for one in made if not one.record.baseline]
    found = choose_best([*baselines, *candidates])
    assert (None if found is None else found.record.label) == best
    if found is not None:
        text = gained_at_last_rung(found, baselines, candidates, (now,), ", which chose nothing")
        for part in says:
            assert part in text
        for part in not_said:
            assert part not in text


@pytest.mark.parametrize(
    ("difference", "pictures_sd", "says"),
    [
        (0.05, 0.01, "between +0.026 and +0.074 (95%), above zero."),
        (0.05, 0.03, "holds zero: the gain is not certain."),
        (-0.05, 0.01, "between -0.074 and -0.026 (95%), below zero: the baseline is ahead."),
    ],
)
def test_a_gain_is_claimed_with_its_interval(task: Task, difference: float, pictures_sd: float, says: str) -> None:
    best, rival = finalist(task, "trial-1", 0.5, 0.6), finalist(task, "source-96", 0.5, 0.55)
    gain = Gain("trial-1", "source-96", ("a", "b"), difference, pictures_sd, 0.007, 40)
    text = gained_at_last_rung(best, [rival], [best], (ALL,), ", which chose nothing", gain)
    assert says in text and "not on these data" in text and "are noise" not in text


def remeasured(asked: list[tuple[str, bool]]) -> Any:
    """`confirm` by the screenings; notes each label, and whether its weights are of the last rung."""

    def confirm(
        records: Sequence[TrainedRecord], task: Task, on_wait: object, *, weights: Any, **_: object
    ) -> list[FinalMeasurement]:
        asked.extend((record.label, weights(record) == f"{record.label}-{STEPS}") for record in records)
        fresh = [replace(record.evaluation.latency, level="finalist") for record in records]
        return [FinalMeasurement(latency, Score(0.2, 0.3), None, 0.0, "digest") for latency in fresh]

    return confirm


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    monkeypatch.setattr("nas.search.conclude.remeasure", remeasured(found))
    return found


def train(study: StoredStudy, space: SearchSpace, task: Task) -> None:
    """The last rung, with scores that turn the proxies' order of the candidates round."""
    scores = iter((0.30, 0.35, 0.36, 0.31, 0.40))
    scheduler = TrialScheduler(
        study,
        Proposer(space, sampler="random", seed=0, limits=study.limits),
        budget=BUDGET,
        baselines=BASELINES,
        rungs=RUNGS,
    )

    def promoted(*_: object) -> RungScore:
        return RungScore(Score(next(scores), 0.5), STEPS, 9.0, 0.006)

    inline.run(scheduler, task, formula, promoted=promoted)


def outcome(study: StoredStudy, task: Task, settings: SearchSettings) -> Outcome:
    found = conclude(study, task)
    return Outcome(
        folder=study.folder,
        settings=changed(settings, rungs=[STEPS]),
        budget=BUDGET,
        records=study.records(),
        baseline_records=study.baselines(),
        repeats={},
        begun={
            "device": "a board",
            "runtime": "onnxruntime 1",
            "arithmetic": "float32",
            "machine": host_machine(),
            "versions": versions(),
        },
        front=found.front,
        baselines=found.baselines,
        promoted=found.promoted,
        standing=standing(study, RUNGS),
        rungs=rung_scores(study),
        fastest_ms=0.5,
        slowest_ms=9.0,
        ended="budget",
        seconds=1.0,
        data_sizes={},
        protocol={},
        data_yaml=None,
        data_file="data.yaml",
        class_names=tuple("abcdef"),
        findings=Findings(),
    )


def test_a_final_is_of_the_longest_training_and_the_front_of_the_proxies(
    opened: Open, space: SearchSpace, task: Task, asked: list[tuple[str, bool]]
) -> None:
    study = opened("one")
    before = conclude(study, task)  # such as after Ctrl-C
    assert before.promoted == [] and not any(long for _, long in asked)
    asked.clear()
    train(study, space, task)
    now, promoted = conclude(study, task), standing(study, RUNGS)[0].promoted
    assert sorted(asked) == sorted((label, True) for label in promoted)  # the others' finals are known already
    assert [f.record.label for f in now.front] == [f.record.label for f in before.front]
    known = estimates([*study.baselines(), *study.records()], {}, rung_scores(study))
    every = [*now.front, *now.baselines, *now.promoted]
    assert all(f.accuracy == known.accuracy(f.record.label) for f in every)
    assert {f.record.label: f.rungs for f in every if f.rungs} == rung_scores(study)
    off = [label for label in promoted if label not in {f.record.label for f in [*now.front, *now.baselines]}]
    assert sorted(f.record.label for f in now.promoted) == sorted(off)
    asked.clear()
    assert conclude(study, task) == now and asked == []
    study.close()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_results_folder_of_a_search_with_a_last_rung(
    opened: Open, space: SearchSpace, task: Task, settings: SearchSettings, asked: list[tuple[str, bool]]
) -> None:
    study = opened("one")
    train(study, space, task)
    found = outcome(study, task, settings)
    write(found)
    folder, best = study.folder, found.best
    assert best is not None and best.longest is not None and best.longest.score.map50_95 == 0.40
    text = report(found)
    promoted = standing(study, RUNGS)[0].promoted
    rival = max(found.baselines, key=lambda f: f.longest.score.map50_95 if f.longest else 0.0)
    assert f"best.yaml is {best.record.label}: 0.400 mAP50-95" in text and f"against {rival.record.label}," in text
    assert (
        "their proxies began, for 1,200 steps" in text and "| design | select | 95% | steps | longest | val |" in text
    )
    assert "among the designs of 1,200 steps" in text and "`seeds`" not in text
    assert all((folder / "front" / f"{label}.yaml").is_file() for label in promoted)
    assert (folder / "best.yaml").read_text() == (folder / "front" / f"{best.record.label}.yaml").read_text()

    table = rows(folder / "promoted.csv")
    names = [row["trial"] if kind(row["trial"]) else f"trial-{row['trial']}" for row in table]
    assert sorted(names) == sorted(promoted) and names[0] == best.record.label
    assert {(row["rung_steps"], row["rung_lr"]) for row in table} == {("1200", "0.006")}
    scores = [float(row["rung_map50_95"]) for row in table]
    assert scores == sorted(scores, reverse=True)
    trials = {row["trial"]: row["rung_map50_95"] for row in rows(folder / "trials.csv")}
    assert trials[best.record.label.removeprefix("trial-")] == "0.4" and trials["source-256"] == ""
    assert sum(bool(value) for value in trials.values()) == len(promoted)
    assert sorted(row["trial"] for row in rows(folder / "rungs.csv")) == sorted(row["trial"] for row in table)
    assert (folder / "rungs.png").is_file() and "![rungs](rungs.png)" in text
    (told,) = json.loads((folder / "run.json").read_text())["rungs"]
    assert (
        told["steps"] == STEPS and told["promoted"] == list(promoted) and told["missing"] == [] and told["failed"] == {}
    )
    assert told["scores"][best.record.label]["steps"] == STEPS

    design = find_design(str(folder))  # what is taken home, also when it is not on the front
    measured = design.measured()
    assert measured is not None and measured.fresh and measured.row["rung_map50_95"] == "0.4"
    assert "- mAP50-95 0.4 after a training of 1200 steps on embedded: good for" in readme(design, ())
    shown = io.StringIO()
    ConsoleReporter(Console(file=shown, width=80, soft_wrap=True)).concluded(found)
    lines = [line.strip() for line in shown.getvalue().splitlines()]
    assert "by the longest training" in shown.getvalue() and "…" not in shown.getvalue()
    assert lines.index("baselines") > max(at for at, line in enumerate(lines) if line.startswith("trial-"))
    study.close()
