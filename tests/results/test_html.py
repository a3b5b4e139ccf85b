"""`report.html`: what it says, that names stay text, that it stands alone, and that it is small."""

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nas.cli.app import build_app
from nas.data import DetectionData, load
from nas.errors import StorageError, StudyError
from nas.proxy import Score
from nas.results.html.axis import axis, log_axis
from nas.results.html.page import MOST_BYTES, marked, page
from nas.results.html.shots import MOST_BOXES, shots_of
from nas.results.markdown import report
from nas.results.reports import write_reports
from nas.search.compared_pictures import PICTURES_BYTES
from nas.study import GroupAccuracy, StoredStudy, conclusion_of, read_outcome, read_records, write_comparison
from nas.study.outcome import Outcome
from nas.study.record import TrainedRecord
from tests.results.searched import BEST, NAMES, RIVAL, RUNGS, finalist, outcome
from tests.trained_run import SETTINGS

EVIL = "<img src=x onerror=alert(1)>"


class Elements(HTMLParser):
    """Every element of a page with its attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def data(data_yaml: Path) -> DetectionData:
    return load(str(data_yaml))


def test_the_answer_comes_first(tmp_path: Path, data: DetectionData) -> None:
    found = outcome(tmp_path / "run", data)
    text = " ".join("".join(Elements(page(found, found.known)).text).split())
    answer = text[text.index("The answer") :]
    assert answer.startswith(f"The answer {BEST} takes 2.20 ms of the 2.5 ms allowed and has 0.401 mAP50-95 on val: ")
    assert f"+0.131 against {RIVAL}, the best hand-made baseline" in answer
    assert "between +0.085 and +0.177 (95%), above zero." in answer
    assert answer.count("Both were trained for 1,200 steps.") == 3  # in the answer, above AP and above the pictures
    for line in (f"ghostnas train {tmp_path / 'run'} epochs=100", "--to bundle", "ghostnas dashboard"):
        assert line in answer
    titles = [
        "All designs",
        "Accuracy by length",
        "Architecture",
        "Accuracy by class",
        "Detections in",
        "Where the num",
    ]
    places = [answer.index(title) for title in titles]
    assert places == sorted(places)
    assert "an estimate: the latency predictor's costs" in answer


def unfinished(found: Outcome, steps: tuple[int, ...]) -> Outcome:
    """A search that ended when the best baseline had these trainings."""
    rival = found.baselines[1]
    shorter = replace(rival, rungs={one: rival.rungs[one] for one in steps})
    standing = tuple(
        replace(one, missing=() if one.steps in steps else (RIVAL,), decided=bool(steps)) for one in found.standing
    )
    return replace(found, baselines=[found.baselines[0], shorter], standing=standing, gain=None)


@pytest.mark.parametrize(("steps", "length"), [((400,), "400"), ((), "60")])
def test_no_gain_is_claimed_before_the_rungs_are_finished(
    tmp_path: Path, data: DetectionData, steps: tuple[int, ...], length: str
) -> None:
    found = unfinished(outcome(tmp_path, data), steps)
    text = " ".join("".join(Elements(page(found, found.known)).text).split())
    assert "against yolo11-scaled, the best" not in text and "+0.131" not in text
    lead = text[text.index("The answer") : text.index("Latency")]
    lengths = f"{BEST} was trained for 1,200 steps and {RIVAL} for {length}: their accuracies do not compare."
    assert lengths in lead and "No gain is claimed before." in lead
    assert text.count(lengths) == 3 and text.count("No gain is claimed before.") == 1


def test_without_rungs_the_difference_is_of_proxies(tmp_path: Path) -> None:
    found = outcome(tmp_path)
    ours, theirs = ([replace(one, rungs={}) for one in some] for some in (found.front, found.baselines))
    found = replace(found, front=ours, baselines=theirs, rungs={}, standing=(), gain=None)
    text = " ".join("".join(Elements(page(found, found.known)).text).split())
    answer = text[text.index("The answer") : text.index("All designs")]
    assert f"against {RIVAL}" in answer and "Both were trained for 60 steps, as proxies." in answer
    assert "Each is one training" in answer


def test_names_are_text_wherever_they_stand(tmp_path: Path, data: DetectionData) -> None:
    found = outcome(tmp_path / EVIL.replace("/", ""), data, (EVIL, "</script>", "a'\"&", *NAMES[3:]))
    named = replace(found.comparison.pictures[0], name=EVIL)  # type: ignore[union-attr]
    shown = replace(found.comparison, pictures=(named, *found.comparison.pictures[1:]))  # type: ignore
    told = page(replace(found, comparison=shown, command=f"ghostnas `{EVIL}`", ended=EVIL), found.known)
    every = Elements(told)
    tags = [tag for tag, _ in every.found]
    assert "img" not in tags and tags.count("script") == 1
    assert not [attributes for _, attributes in every.found if any(name.startswith("on") for name in attributes)]
    text = "".join(every.text)
    assert text.count(EVIL) >= 5 and "</script>" in text and "a'\"&" in text


def test_it_stands_alone_and_is_small(tmp_path: Path, data: DetectionData) -> None:
    found = outcome(tmp_path, data, trials=700)
    box = found.comparison.pictures[0].best[0]  # type: ignore[union-attr]
    crowded = tuple(
        replace(one, webp="A" * (PICTURES_BYTES // 8), best=(box,) * 300, rival=(box,) * 300)
        for one in found.comparison.pictures[:1] * 8  # type: ignore[union-attr]
    )
    rare = tuple(GroupAccuracy(f"a rather long name of class {number}", 9, 0.1, 0.1) for number in range(1200))
    found = replace(found, comparison=replace(found.comparison, pictures=crowded, classes=rare))  # type: ignore[type-var]
    known = outcome(tmp_path).known
    labels = [one.label for one in [*found.records, *found.baseline_records]]
    known = replace(known, together=None, rows={}, scores={label: (0.1,) for label in labels})
    # All are promoted, and of each there is a note.
    best = [one for one in found.front if one.record.label == BEST]
    others = [one for one in found.records if isinstance(one, TrainedRecord) and one.label != BEST]
    promoted = [finalist(one, one.label, rungs=RUNGS) for one in others]
    promoted = [replace(one, final=replace(one.final, val_float=Score(0.9, 0.9))) for one in promoted]
    found = replace(found, front=best, promoted=promoted)
    found = replace(found, rungs={one.record.label: one.rungs for one in found.finalists})
    told = page(found, known)
    assert len(told.encode()) <= MOST_BYTES
    every = Elements(told)
    links = [value for _, attributes in every.found for name, value in attributes.items() if name in ("src", "href")]
    assert links and all(str(link).startswith(("#", "data:")) for link in links)
    assert "url(" not in told and "@import" not in told
    text = "".join(every.text)
    for left_out in ("trained designs", "finalists", "promoted designs", "notes"):
        assert f" more {left_out} stand in " in text
    assert f"{BEST} *" in text
    curves = [told.count(f'class="curve {role}"') for role in ("best", "baseline")]
    assert curves == [1, 2]
    assert all(len(side.boxes) == MOST_BOXES for some in shots_of(found) for shot in some.shots for side in shot.sides)


def test_without_trained_models_it_says_what_is_missing(tmp_path: Path) -> None:
    found = outcome(tmp_path)
    text = "".join(Elements(page(found, found.known)).text)
    assert "The page is without AP by class and size, detections in pictures and estimated times" in text
    assert "Where the milliseconds go is not shown" in text and "Detections in the same" not in text
    assert BEST in text and "Accuracy by length of training" in text
    assert f"{RIVAL} 2.43 ms at 128 px (YOLO11)" in text
    assert text.count("were not looked at, or what was found is gone. The same ghostnas search command looks") == 2
    stopped = replace(found, ended="interrupted")
    assert "The search was interrupted. The same command finishes it" in page(stopped, found.known)


def test_without_estimated_times_it_says_why(tmp_path: Path, data: DetectionData) -> None:
    found = outcome(tmp_path, data)
    timeless = replace(found.comparison, stages={}, no_stages="5 designs were measured")  # type: ignore[type-var]
    told = page(replace(found, comparison=timeless), found.known)
    assert "Where the milliseconds go is not shown: 5 designs were measured." in told


def test_a_search_that_found_nothing_or_a_baseline_says_so(tmp_path: Path) -> None:
    found = outcome(tmp_path)
    misses = [replace(one, meets_target=False) for one in found.baselines]
    none = replace(found, front=[replace(one, meets_target=False) for one in found.front], baselines=misses, gain=None)
    nothing = page(none, found.known)
    assert nothing.count("Nothing that was trained meets the target") == 1
    assert "Nothing meets the target, so no trained model was looked at." in nothing
    alone = "".join(Elements(page(replace(found, baselines=misses, gain=None), found.known)).text)
    assert "No baseline meets the target, so there is none to compare with." in alone
    level = replace(found, front=none.front, gain=None)
    assert "The best design is a baseline: the search gained nothing at this budget." in page(level, found.known)
    empty = replace(none, records=(), baseline_records=(), front=(), baselines=(), rungs={}, standing=())
    assert "Nothing was trained." in page(empty, empty.known)


def test_warnings_of_the_report_are_on_the_page(tmp_path: Path) -> None:
    found = outcome(tmp_path)
    lost, *others = found.front
    lost = replace(lost, final=replace(lost.final, val_float=Score(0.9, 0.9)))
    failed = replace(found.records[4], baseline=True, status="failed", number=0, reason=f"{EVIL} again")
    failed = replace(failed, label="ghost-corner")
    found = replace(found, front=[lost, *others], baseline_records=[*found.baseline_records, failed])
    told = page(found, found.known)
    assert "<strong>more than a point</strong>" in told and "**" not in told
    text = "".join(Elements(told).text)
    for line in (f"baseline ghost-corner failed: {EVIL} again", "of mAP50-95 on val: more than a point"):
        assert line in text and line.replace("more than a point", "**more than a point**") in report(found)
    assert "of train on which candidates were compared" in text and "* marks best.yaml" in text


def test_accuracy_is_called_an_estimate_where_it_is_one(tmp_path: Path) -> None:
    found = outcome(tmp_path)
    assert found.known.together is not None
    assert page(found, found.known).count("its estimated mAP50-95 on the selection part.") == 1
    few = replace(found.known, together=None, rows={})
    assert "its mAP50-95 on the selection part." in page(found, few)


def test_all_scores_are_learnt_from_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcome(tmp_path)
    found = replace(found, standing=(), rungs={}, gain=None)  # then ties are told
    known = found.known
    monkeypatch.setattr("nas.study.outcome.estimates", lambda *_: pytest.fail("learnt again"))
    assert write_reports(found, known).is_file()


def test_a_report_is_written_whole_or_not_at_all(concluded: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write_reports(concluded).read_text()
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(StorageError, match=r"cannot write .*report\.md: No space left"):
        write_reports(concluded)
    assert (concluded.folder / "report.html").read_text() == before


def test_marked_sentences_are_code_and_text() -> None:
    assert marked("a `b<c>` d") == "a <code>b&lt;c&gt;</code> d"
    assert marked("one ` of <its own>") == "one ` of &lt;its own&gt;"
    assert marked("**a <b>** `**c**` d** e") == "<strong>a &lt;b&gt;</strong> <code>**c**</code> d** e"


@pytest.mark.parametrize("values", [[0.1], [0.0, 1e-4], [2.2, 2.5], [1.0, 250.0], []])
def test_an_axis_holds_its_values_at_round_ticks(values: list[float]) -> None:
    made = axis(values)
    assert made.low < made.high and all(0 < made.at(value) < 100 for value in values)
    texts = [tick.text for tick in made.ticks]
    assert 2 <= len(texts) <= 9 and len(set(texts)) == len(texts)
    assert [made.at(float(text)) for text in texts] == pytest.approx([tick.at for tick in made.ticks], abs=0.01)


def test_a_logarithmic_axis_has_equal_ratios_equally_long() -> None:
    made = log_axis([60, 240, 960])
    first, second, third = (tick.at for tick in made.ticks)
    assert second - first == pytest.approx(third - second, abs=0.01) and made.ticks[2].text == "960"


# --- written again from the study


@pytest.fixture
def concluded(results: Path, tmp_path: Path, copied: Callable[[Path, Path], Path]) -> Outcome:
    """A search that concluded, in a study of its own."""
    run = copied(results / "small", tmp_path / "results" / "small")
    _, records, baselines = read_records(run)
    ours = [finalist(one, one.label) for one in records if isinstance(one, TrainedRecord)]
    theirs = [finalist(one, one.label) for one in baselines if isinstance(one, TrainedRecord)]
    made = outcome(run)
    made = replace(
        made, settings=SETTINGS, budget=1, records=records, baseline_records=baselines, front=ours, baselines=theirs
    )
    made = replace(made, rungs={}, standing=(), gain=None)
    study = StoredStudy(run, SETTINGS, {"x": 2})
    study.keep("concluded", conclusion_of(made))
    study.close()
    return made


@pytest.fixture
def copied() -> Callable[[Path, Path], Path]:
    import shutil

    return lambda source, target: Path(shutil.copytree(source, target))


def test_a_concluded_search_is_read_as_it_was(concluded: Outcome, data: DetectionData) -> None:
    found = read_outcome(concluded.folder)
    assert report(found) == report(concluded)
    assert page(found, found.known) == page(concluded, concluded.known)
    made = replace(outcome(concluded.folder, data).comparison, files=("trial-0", "plain"))  # type: ignore[type-var]
    write_comparison(concluded.folder, made)
    assert read_outcome(concluded.folder).comparison == made


def test_reports_are_written_again_by_command(concluded: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, opened = concluded.folder, []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    words = ["report", "small", "--out", str(folder.parent)]
    done = CliRunner().invoke(build_app(), words)
    assert (done.exit_code, done.output) == (0, f"{folder / 'report.html'}\n") and not opened
    assert (folder / "report.md").read_text() == report(concluded)
    (folder / "report.html").write_text("stale")
    assert CliRunner().invoke(build_app(), [*words, "--open"]).exit_code == 0
    assert opened == [(folder / "report.html").as_uri()]
    assert (folder / "report.html").read_text().startswith("<!doctype html>")


def test_a_search_that_has_not_concluded_is_no_report(results: Path) -> None:
    with pytest.raises(StudyError, match=r"has not concluded.*the same `ghostnas search` command concludes it"):
        read_outcome(results / "small")


def test_no_browser_is_an_error(concluded: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    done = CliRunner().invoke(build_app(), ["report", str(concluded.folder), "--open"])
    assert done.exit_code == 1 and "there is no browser here" in str(done.exception)


def test_a_report_that_cannot_be_written_is_an_error(concluded: Outcome) -> None:
    (concluded.folder / "report.html").mkdir()
    with pytest.raises(StorageError, match=r"cannot write .*report\.html"):
        write_reports(concluded)
