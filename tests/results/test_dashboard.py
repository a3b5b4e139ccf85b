"""The dashboard serves a real study with notes and infeasible trials, and nothing can be changed."""

import json
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas.errors import StudyError, UsageError
from nas.latency import LatencySettings
from nas.results.dashboard import server
from nas.results.dashboard_guard import is_loopback, refused
from nas.results.trial_notes import note, write_note
from nas.study.study_file import StudyFile
from tests.trained_run import Run, environment

pytest.importorskip("optuna_dashboard", reason="the extra `dashboard` is not installed")


@pytest.fixture(scope="module")
def address(results: Path) -> Iterator[str]:
    """The address that `ghostnas dashboard` prints; the command is stopped with Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "nas", "dashboard", "--port", "0"],
        cwd=results.parent,
        env=environment(PYTHONPATH=str(Path(__file__).parents[2])),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, f"{line!r} {process.stderr.read() if process.stderr else ''}"
    yield found.group()
    process.send_signal(2)
    out, error = process.communicate(timeout=20)
    assert process.returncode == 0 and "dashboard ended" in out, error


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def _trials(address: str, study: str) -> list[dict[str, Any]]:
    summaries = json.loads(_get(f"{address}/api/studies"))["study_summaries"]
    (number,) = (summary["study_id"] for summary in summaries if summary["study_name"] == study)
    trials: list[dict[str, Any]] = json.loads(_get(f"{address}/api/studies/{number}"))["trials"]
    return trials


def test_the_page_is_served(address: str) -> None:
    assert "<html" in _get(address).lower()


def test_each_trial_carries_its_note(address: str) -> None:
    trained, rejected = _trials(address, "search")
    (baseline,) = _trials(address, "baselines")
    for part in (
        "trial-0 (trained)",
        "0.1234",
        "2.310 ms",
        "300,161",
        "GhostBottleneckV2",
        "DFC kernel 5 pool 2",
    ):
        assert part in trained["note"]["body"]
    assert "above the target" in rejected["note"]["body"]
    assert baseline["note"]["body"].startswith("## plain")


def test_a_note_says_how_and_where_was_measured(results: Path) -> None:
    from nas.study.store import read_records

    record = read_records(results / "small")[1][0]
    assert record.evaluation is not None
    board = LatencySettings(statistic="p95", sustained_s=60, place="ssh://pi@board?python=/home/pi/bin/python")
    there = replace(record.evaluation, latency=replace(record.evaluation.latency, settings=board))
    text = note(replace(record, evaluation=there), "nc: 6\n")
    assert "batch 1, on ssh://pi@board cpu, p95 of back-to-back runs over 60 s |" in text


def test_infeasible_trials_are_marked(address: str) -> None:
    trained, rejected = _trials(address, "search")
    assert max(trained["constraints"]) <= 0 < max(rejected["constraints"])


@pytest.mark.parametrize("method", ["DELETE", "POST", "PUT"])
def test_nothing_can_be_changed(address: str, method: str) -> None:
    request = urllib.request.Request(f"{address}/api/studies/1", method=method, data=b"{}")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    with refused.value as answer:
        assert answer.code == 403
    assert len(_trials(address, "search")) == 2


def _status(address: str, method: str = "GET", **headers: str) -> int:
    request = urllib.request.Request(f"{address}/api/studies", method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "192.0.2.1", "127.evil.example", "[::1", ""])
def test_a_foreign_host_is_refused(address: str, host: str) -> None:
    assert _status(address) == 200
    assert _status(address, Host=host) == 403


def test_a_request_from_another_origin_is_refused(address: str) -> None:
    own = {"Content-Type": "application/json"}
    assert _status(address, Origin=address) == 200
    for origin in ("https://evil.example", "null", "http://127.0.0.1.evil.example:80"):
        assert _status(address, Origin=origin) == 403
        assert _status(address, "POST", Origin=origin, **own) == 403
    assert len(_trials(address, "search")) == 2


@pytest.mark.parametrize(
    ("host", "asked", "answered"),
    [
        ("127.0.0.1", "127.0.0.1:8080", True),
        ("127.0.0.1", "LOCALHOST:9000", True),
        ("127.0.0.1", "[::1]:8080", True),
        ("127.0.0.1", socket.gethostname(), False),
        ("0.0.0.0", "192.0.2.1:8080", True),
        ("0.0.0.0", socket.gethostname(), True),
        ("0.0.0.0", "evil.example", False),
        ("board.local", "board.local:8080", True),
        ("board.local", "evil.example", False),
    ],
)
def test_which_names_lead_to_a_dashboard(host: str, asked: str, answered: bool) -> None:
    assert (refused("GET", asked, None, host) is None) == answered
    assert (refused("GET", asked, f"http://{asked}", host) is None) == answered
    assert refused("POST", asked, f"http://{asked}", host) is not None


def test_a_note_is_read_back_by_the_dashboards_own_code(tmp_path: Path) -> None:
    import optuna
    from optuna_dashboard import _note as theirs

    StudyFile(tmp_path).create(lambda storage: None)
    storage = StudyFile(tmp_path).open()
    study = optuna.create_study(storage=storage)
    for _ in range(2):
        study.tell(study.ask(), 1.0)
    for text in ("long " * 2000, "short", "ä" * 2045, ""):
        write_note(study, 1, text)
        attributes = storage.get_study_system_attrs(study._study_id)
        trial = study.trials[1]
        assert theirs.get_note_from_system_attrs(attributes, trial._trial_id)["body"] == text
    assert theirs.get_note_from_system_attrs(attributes, study.trials[0]._trial_id)["body"] == ""
    storage.remove_session()
    storage.engine.dispose()


def test_addresses_and_ports_that_cannot_be_used(results: Path, tmp_path: Path) -> None:
    run = results / "small"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(UsageError, match=rf"port {port} of 127\.0\.0\.1 is in use"),
            server(run, "127.0.0.1", port),
        ):
            pass
    with pytest.raises(UsageError, match="between 0 and 65535"), server(run, "127.0.0.1", 70000):
        pass
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1"), server(run, "192.0.2.1", 0):
        pass
    with pytest.raises(StudyError, match="nothing to show"), server(tmp_path, "127.0.0.1", 0):
        pass
    (tmp_path / "study.db").write_text("this is not a database, and long enough to look like one")
    with pytest.raises(StudyError, match="cannot be read"), server(tmp_path, "127.0.0.1", 0):
        pass
    assert (tmp_path / "study.db").exists()
    assert is_loopback("localhost") and is_loopback("::1") and not is_loopback("0.0.0.0")
    assert not is_loopback("127.evil.example")


def test_the_missing_extra_is_named(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with (
        pytest.raises(UsageError, match="pip install optuna-dashboard"),
        server(results, "127.0.0.1", 0),
    ):
        pass


def test_an_unknown_run_is_one_message(ghostnas: Run, results: Path) -> None:
    done = ghostnas("dashboard", "smal", cwd=results.parent)
    assert done.returncode == 2 and "did you mean 'small'" in done.stderr and "Traceback" not in done.stderr
