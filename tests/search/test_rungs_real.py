"""A real search with a rung: real models, trainings and measurements, in this process."""

import json
from pathlib import Path

import pytest

from nas.cli.search_progress import ConsoleReporter
from nas.errors import UsageError
from nas.latency import LatencySettings
from nas.model.checkpoints import load_trained
from nas.proxy import ProxySettings
from nas.results.html.page import MOST_BYTES
from nas.results.markdown import report as markdown
from nas.results.reports import write_reports
from nas.search.effort import Rung
from nas.search.request import Request
from nas.search.run import run_search
from nas.space.space import load_space
from nas.study.conclusion import read_outcome
from nas.study.limits import Limits
from nas.util.provenance import file_digest


def request(out: Path, *rungs: Rung) -> Request:
    return Request(
        space=load_space("ghostv2-n").with_imgsz([64]),
        data=None,
        fraction=0.1,
        budget=1,
        limits=Limits(50.0),
        # A plain median of a hundred runs is never refused and soon done.
        latency=LatencySettings(statistic="p50", sustained_s=0.1),
        proxy=ProxySettings(steps=2, batch=4),
        epochs=None,
        sampler="random",
        seed_literals=False,
        finalist_seeds=3,
        workers=0,
        max_seconds=None,
        name="long",
        out=out,
        rungs=rungs,
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_search_ends_with_its_rung(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for again in (False, True):  # the same command again finds everything done
        with ConsoleReporter() as reporter:
            outcome = run_search(request(tmp_path, Rung(4, 1)), reporter)
        told = capsys.readouterr().out
        assert ("4 steps 1/" in told) == (not again)
        (now,) = outcome.standing
        assert now.finished and outcome.repeats == {}
        promoted = now.promoted
        folder = tmp_path / "long"
        assert sorted(path.name for path in (folder / "models").glob("*-4.pt")) == sorted(
            f"{label}-4.pt" for label in promoted
        )
        assert not list((folder / "models").glob("*.part"))
        # One candidate, and YOLO11n or its scaled sister, which are of one kind; the ghost corner is another.
        assert sum("trial" in label for label in promoted) == 1 and len(promoted) in (2, 3)
        report = (folder / "report.md").read_text()
        assert "where their proxies began, for 4 steps" in report
        assert "at the last rung (" in report or "mAP50-95 on the selection part after 4 steps at rate" in report
        assert "The rungs are not finished" not in report
        best = outcome.best
        assert best is not None and load_trained(folder / "best.pt").imgsz == 64
        assert file_digest(folder / "best.onnx") == best.final.file
        others = {label for label in promoted if label != best.record.label}
        assert {path.stem for path in (folder / "front").glob("*.pt")} == others
        scores = json.loads((folder / "run.json").read_text())["rungs"][0]["scores"]
        assert set(scores) == set(promoted) and all(one["steps"] == 4 for one in scores.values())
        # The best beside the best baseline is found once, and both reports can be written again.
        assert ("for the report, " in told) == (not again)
        compared = outcome.comparison
        assert compared is not None and compared.label == best.record.label
        known = [one.best for one in compared.classes if one.best is not None]
        assert sum(known) / len(known) == pytest.approx(best.final.val.map50_95, abs=1e-6)
        assert len(compared.pictures) == (0 if best.record.baseline else 8)
        stored = read_outcome(folder)
        assert stored.comparison == compared and markdown(stored) == report
        page = (folder / "report.html").read_text()
        assert f"<strong>{best.record.label}</strong> takes" in page and len(page) < MOST_BYTES
        write_reports(stored)
        assert (folder / "report.html").read_text() == page


def test_a_rung_no_longer_than_a_proxy_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"shortest rung must have more steps than a proxy \(2\), got 2"):
        run_search(request(tmp_path, Rung(2, 1)), ConsoleReporter())
    assert not (tmp_path / "long").exists()
