"""Which finalist is best, what the front is after fresh measurements, and what file a finalist's numbers are of."""

import io
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from nas.architecture.ultralytics_yaml import to_yaml
from nas.cli.search_progress import ConsoleReporter
from nas.data.findings import Findings, Overlap
from nas.latency import BOARDS, SPREAD, LatencySettings
from nas.proxy import Score
from nas.results.folder import table
from nas.results.gain_sentences import gain_sentence, next_commands
from nas.results.markdown import report
from nas.results.plot import draw_front
from nas.results.writer import write
from nas.search.conclude import FinalMeasurement, conclude
from nas.search.evaluate import Task
from nas.search.executors import inline
from nas.search.proposals import Proposer
from nas.search.scheduler import TrialScheduler
from nas.space.reference_designs import yolo11
from nas.space.space import SearchSpace
from nas.study.accuracy import estimates
from nas.study.finalists import Finalist, choose_best
from nas.study.outcome import Outcome
from nas.study.record import TrainedRecord
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy
from nas.util.pareto import front_indices
from nas.util.provenance import command, host_machine, versions
from tests.search.conftest import changed, formula


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where one finished search lies, once it was carried out."""
    return tmp_path_factory.mktemp("searched") / "study"


@pytest.fixture
def study(
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    sizes: dict[str, int],
    searched: Path,
) -> StoredStudy:
    """A copy of a finished search, of a test's own."""
    if not searched.is_dir():
        made = StoredStudy(searched, settings, sizes)
        baselines = {"yolo11n": yolo11("n", 160), "yolo11-scaled": yolo11("n", 96, 0.25)}
        inline.run(
            TrialScheduler(
                made,
                Proposer(space, sampler="random", seed=0, limits=made.limits),
                budget=12,
                baselines=baselines,
            ),
            task,
            formula,
        )
        made.close()
    shutil.copytree(searched, tmp_path, dirs_exist_ok=True)
    return StoredStudy(tmp_path, settings, sizes)


def slower(factor: float) -> object:
    def final(record: TrainedRecord) -> FinalMeasurement:
        assert record.evaluation is not None and record.evaluation.score is not None
        latency = record.evaluation.latency
        # Every other finalist turns out slower than its screening said.
        by = factor if record.number % 2 else 1.0
        fresh = replace(latency, latency_ms=latency.latency_ms * by, high_ms=latency.high_ms * by, level="finalist")
        return FinalMeasurement(fresh, Score(record.evaluation.score.map50_95 / 2, 0.3), None, 1e-6, "digest")

    return lambda records, *_, **__: [final(record) for record in records]


def test_the_front_holds_by_its_own_fresh_numbers(
    study: StoredStudy, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.search.conclude.remeasure", slower(1.3))
    front, baselines, _ = conclude(study, task)
    points = [(f.final.latency.latency_ms, f.accuracy) for f in front]
    known = estimates([*study.baselines(), *study.records()], {})
    assert all(f.accuracy == known.accuracy(f.record.label) for f in front)
    overall = front_indices(points)
    assert all(at in overall or one.meets_target for at, one in enumerate(front)) and points == sorted(points)
    for record in study.records():
        if record.status == "trained" and record.evaluation and record.evaluation.score:
            latency, accuracy = record.evaluation.latency.latency_ms, known.accuracy(record.label)
            if record.label not in {f.record.label for f in front}:
                assert any(m <= latency * 1.31 and a >= accuracy for m, a in points)
    assert [b.record.label for b in baselines] == ["yolo11n", "yolo11-scaled"]
    assert not baselines[0].meets_target and baselines[1].meets_target

    def never(*_: object, **__: object) -> list[FinalMeasurement]:
        raise AssertionError("a kept final was measured again")

    monkeypatch.setattr("nas.search.conclude.remeasure", never)
    assert conclude(study, task) == (front, baselines, [])
    study.close()


MakeOutcome = Callable[..., Outcome]


@pytest.fixture
def outcome(study: StoredStudy, settings: SearchSettings) -> MakeOutcome:
    """A maker of a finished search with these finalists."""

    def make(front: list[Finalist], baselines: list[Finalist], promoted: Sequence[Finalist] = ()) -> Outcome:
        return Outcome(
            folder=study.folder,
            settings=settings,
            budget=12,
            records=study.records(),
            baseline_records=study.baselines(),
            repeats=study.repeats(),
            begun={
                "device": "a board",
                "runtime": "onnxruntime 1",
                "arithmetic": "float32",
                "machine": host_machine(),
                "versions": versions(),
            },
            front=front,
            baselines=baselines,
            fastest_ms=0.5,
            slowest_ms=9.0,
            ended="budget",
            seconds=1.0,
            data_sizes={"train": 8, "select": 2, "val": 2},
            protocol={},
            data_yaml=None,
            data_file="data.yaml",
            class_names=tuple("abcdef"),
            findings=Findings(),
            promoted=promoted,
        )

    return make


def test_a_baseline_is_best_when_it_is_ahead(
    study: StoredStudy, task: Task, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.search.conclude.remeasure", slower(1.0))
    front, baselines, _ = conclude(study, task)

    usual = outcome(front, baselines)
    best = usual.best
    assert best is not None and not best.record.baseline and best.meets_target
    assert best.accuracy == max(f.accuracy for f in front if f.meets_target)
    write(usual)
    assert (study.folder / "best.yaml").exists()

    ahead = [replace(b, accuracy=0.99, meets_target=True) for b in baselines]
    beaten = outcome(front, ahead)
    assert beaten.best is not None and beaten.best.record.baseline
    assert "is that baseline" in gain_sentence(beaten)

    none = outcome([replace(f, meets_target=False) for f in front], [replace(b, meets_target=False) for b in baselines])
    assert none.best is None and choose_best(none.finalists) is None
    write(none)
    assert not (study.folder / "best.yaml").exists()
    for found, there in ((usual, True), (none, False)):
        text = io.StringIO()
        ConsoleReporter(Console(file=text, width=80, soft_wrap=True)).concluded(found)
        told = text.getvalue().partition("Results: ")[2]
        for part in ("best.yaml", "ghostnas train ", "ghostnas export "):
            assert (part in told) == there
        assert "front.png" in told and "ghostnas dashboard " in told
    spaced = next_commands(replace(usual, folder=Path("results") / "my search"))
    assert [shlex.split(line)[2] for line in spaced] == ["my search"] * 3
    study.close()


def test_a_recorded_command_runs_in_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["ghostnas", "search", "--data", "my cells/data.yaml", "--name", "it's"]
    monkeypatch.setattr("sys.argv", ["/opt/my tools/ghostnas", *words[1:]])
    assert shlex.split(command()) == words


def test_place_and_statistic_are_named(
    study: StoredStudy,
    task: Task,
    outcome: MakeOutcome,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nas.search.conclude.remeasure", slower(1.0))
    finished = outcome(*conclude(study, task))
    board = LatencySettings(statistic="p95", sustained_s=60, place="ssh://pi@board?python=/home/pi/bin/python")
    names: list[str] = []
    monkeypatch.setattr("matplotlib.axes.Axes.set_xlabel", lambda self, text: names.append(text))

    def there(finalist: Finalist) -> Finalist:
        elsewhere = replace(finalist.evaluation.latency, settings=board)
        evaluation = replace(finalist.evaluation, latency=elsewhere)
        return replace(finalist, record=replace(finalist.record, evaluation=evaluation))

    for front in (finished.front, [there(one) for one in finished.front]):
        draw_front(study.folder / "front.png", "", 2.5, finished.records, finished.known, front, finished.baselines)
    draw_front(study.folder / "front.png", "", 2.5, [], finished.known, [], [])
    assert names == [
        "latency in ms on local cpu (best case of the quiet device, 95% interval)",
        "latency in ms on ssh://pi@board cpu (p95 of back-to-back runs over 60 s, 95% interval)",
        "latency in ms",
    ]
    text = io.StringIO()
    settings = changed(finished.settings, place="ssh://pi@board", statistic="p95", sustained_s=60.0)
    data = SimpleNamespace(train=[], select=[], val=[], findings=Findings())
    ConsoleReporter(Console(file=text, soft_wrap=True)).opened(study.folder, settings, data, 0)  # type: ignore[arg-type]
    assert "on ssh://pi@board cpu, scope compute, p95 of back-to-back runs over 60 s\n" in text.getvalue()
    study.close()


def test_what_cannot_be_told_apart_is_named(
    study: StoredStudy, task: Task, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.search.conclude.remeasure", slower(1.0))
    finished = outcome(*conclude(study, task))
    best, known = finished.best, finished.known
    assert best is not None and best.estimate is not None
    others = [f.record.label for f in [*finished.front, *finished.baselines] if f.meets_target and f is not best]
    same = [label for label in others if not known.apart(best.record.label, label)]
    text = gain_sentence(finished)
    assert f"{best.estimate.mean:.3f}, 95% {best.estimate.low:.3f} to {best.estimate.high:.3f}" in text
    assert (f"cannot tell it apart from {', '.join(same)}:" in text) if same else ("more than these proxies'" in text)
    alone = outcome([best], [])
    assert "No other finalist meets the target." in gain_sentence(alone)
    few = replace(best, estimate=None, accuracy=0.4, seeds=3)
    assert "too few scores to learn from" in gain_sentence(outcome([few], []))
    equal = replace(outcome([few], []), records=[best.record], baseline_records=[], repeats={})
    assert "tell no design from another. Train longer ones (--steps)" in gain_sentence(equal)
    study.close()


def test_the_report_says_how_much_of_the_limit_is_used(
    study: StoredStudy, task: Task, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.search.conclude.remeasure", slower(1.0))
    found = outcome(*conclude(study, task))
    assert found.limit_used() == [] and "proposed for accuracy" not in report(found)
    some = [one for one in found.records if one.status == "trained"][:3]
    proposed = [replace(one, origin="expected-improvement") for one in some]
    target_ms = found.settings.limits.target_ms
    shares = [one.evaluation.latency.latency_ms / target_ms for one in some if one.evaluation]
    there = replace(found, records=[*proposed, *(one for one in found.records if one not in some)])
    assert there.limit_used() == pytest.approx(shares)
    low, middle, high = sorted(shares)
    assert (
        f"3 trained candidates that were proposed for accuracy take {middle:.2f} of the limit that binds first in the "
        f"median ({low:.2f} to {high:.2f})"
    ) in report(there)
    study.close()


def test_the_report_says_how_far_boards_are_apart_and_which_was_lost(
    study: StoredStudy, task: Task, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.search.conclude.remeasure", slower(1.0))
    found = outcome(*conclude(study, task))
    assert "boards" not in report(found)

    def on_boards(finalist: Finalist, number: float, spread: float) -> Finalist:
        latency = replace(finalist.final.latency, conditions={BOARDS: number, SPREAD: spread})
        return replace(finalist, final=replace(finalist.final, latency=latency))

    settings = changed(found.settings, place="ssh://pi@a ssh://pi@b")
    whole = replace(found, settings=settings, front=[on_boards(one, 2, 1.02) for one in found.front])
    assert "measured on 2 boards, and the slowest decides. They are up to 2.0% apart." in report(whole)
    lost = replace(whole, front=[on_boards(found.front[0], 1, 1.0), on_boards(found.front[-1], 2, 1.045)])
    assert "**one of the finalists on 1 only, the others were lost**. They are up to **4.5% apart**." in report(lost)
    study.close()


def test_the_report_tells_where_a_search_began_and_what_is_other_now(
    study: StoredStudy, task: Task, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.search.conclude.remeasure", slower(1.0))
    here = outcome(*conclude(study, task))
    assert "- latencies: a board; onnxruntime 1\n" in report(here) and "this part of the search:" not in report(here)
    versions_then = {**versions(), "torch": "1.0"}
    text = report(
        replace(here, begun={**here.begun, "versions": versions_then, "machine": {**host_machine(), "cores": 99}})
    )
    assert "99 cores" in text and "torch 1.0" in text
    assert f"- this part of the search: torch {versions()['torch']}\n" in text
    assert f"- this part of the search: {host_machine()['processor']}, {host_machine()['cores']} cores" in text
    study.close()


def test_the_report_says_of_val_what_is_true_of_it(
    study: StoredStudy, task: Task, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.search.conclude.remeasure", slower(1.0))
    unseen = outcome(*conclude(study, task))
    assert "the data set's own val, which chose nothing; it is looked at once" in report(unseen)
    seen = replace(unseen, findings=Findings(overlaps=(Overlap("val", "train", 2, 1, 8),)))
    text = report(seen)
    assert "which chose nothing" not in text + gain_sentence(seen)
    assert "the data set's own val, of which 3 of 8 pictures are in train as well; it is looked at once" in text
    assert "  - 3 of the 8 pictures of val are in train as well (2 the same file, 1 another file" in text
    study.close()


def test_the_yamls_need_no_file_but_the_study(
    study: StoredStudy, task: Task, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.search.conclude.remeasure", slower(1.0))
    finished = outcome(*conclude(study, task))
    write(finished)
    best = finished.best
    assert best is not None
    text = (study.folder / "best.yaml").read_text()
    assert text == (study.folder / "front" / f"{best.record.label}.yaml").read_text()
    assert text == to_yaml(best.evaluation.architecture, 6)
    study.close()


def test_the_table_fits_80_characters(
    study: StoredStudy, task: Task, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.search.conclude.remeasure", slower(1.0))
    front, baselines, _ = conclude(study, task)
    wide = replace(baselines[0].final.latency, latency_ms=12.34, low_ms=12.01, high_ms=12.67)
    slow = replace(baselines[0], final=replace(baselines[0].final, latency=wide))
    text = io.StringIO()
    ConsoleReporter(Console(file=text, width=80, soft_wrap=True)).concluded(outcome(front, [slow, *baselines[1:]]))
    assert "12.01-12.67" in text.getvalue() and "…" not in text.getvalue()
    study.close()


@pytest.mark.slow
def test_an_unconfirmed_finalist_is_told_as_such_and_measured_later(
    study: StoredStudy, task: Task, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    asked: list[int] = []

    def disturbed(
        records: Sequence[TrainedRecord], *_: object, weights: object, patience: str
    ) -> list[FinalMeasurement]:
        said.append(patience)
        asked.append(len(records))
        latencies = [record.evaluation.latency for record in records]
        return [FinalMeasurement(one, Score(0.2, 0.3), None, 0.0, "digest") for one in latencies]

    monkeypatch.setattr("nas.search.conclude.remeasure", disturbed)
    front, baselines, _ = conclude(study, task)
    assert not any(f.final.remeasured for f in [*baselines, *front])
    assert all(f.meets_target == f.evaluation.latency.meets(2.5) for f in front)
    first = sum(asked) // 2
    assert first == len([*baselines, *front])  # all are asked once more in the end
    groups = len(said) - said.count("together")
    assert said[:groups] == ["patient", *["brief"] * (groups - 1)]  # the first are waited for, the others not as long
    finished = outcome(front, baselines)

    said.clear()
    conclude(study, task, hurried=True)
    assert set(said) == {"together"} and len(said) == groups  # and none once more
    write(finished)
    assert (study.folder / "best.yaml").exists()
    assert "too disturbed to measure" in gain_sentence(finished) and "| yes? |" in report(finished)
    assert {row["latency_level"] for row in table(study.folder, "front.csv")} == {"screening"}

    monkeypatch.setattr("nas.search.conclude.remeasure", slower(1.0))
    front, baselines, _ = conclude(study, task)
    assert all(f.final.remeasured for f in [*baselines, *front]) and any(f.meets_target for f in front)
    assert "too disturbed" not in gain_sentence(outcome(front, baselines))
    study.close()


@pytest.mark.parametrize(("lost", "says"), [(0.004, "+0.4 points"), (0.013, "+1.3 points of mAP50-95 on val: **more")])
def test_the_report_tells_what_the_precision_costs_and_flags_more_than_a_point(
    study: StoredStudy,
    task: Task,
    outcome: MakeOutcome,
    monkeypatch: pytest.MonkeyPatch,
    lost: float,
    says: str,
) -> None:
    def lossy(records: Sequence[TrainedRecord], *_: object, **__: object) -> list[FinalMeasurement]:
        latencies = [record.evaluation.latency for record in records]
        return [
            FinalMeasurement(latency, Score(0.2, 0.3), Score(0.2 + lost, 0.3), 0.1, "digest") for latency in latencies
        ]

    monkeypatch.setattr("nas.search.conclude.remeasure", lossy)
    text = report(outcome(*conclude(study, task)))
    notes = [line for line in text.splitlines() if " costs " in line]
    assert notes and all(says in line for line in notes)
    assert ("more than a point" in text) == (lost > 0.01)
    study.close()


def test_a_float32_report_says_nothing_of_a_precision(
    study: StoredStudy, task: Task, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.search.conclude.remeasure", slower(1.0))
    assert " costs " not in report(outcome(*conclude(study, task)))
    study.close()
